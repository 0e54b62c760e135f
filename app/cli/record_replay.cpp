// A recorded request, sent again, with both answers side by side.
#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "app/cli/asking_view.hpp"
#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/mistyped.hpp"
#include "app/cli/record_text.hpp"
#include "app/cli/running_router.hpp"
#include "app/cli/shown_body.hpp"
#include "app/configured_table.hpp"
#include "app/recorded_request.hpp"
#include "app/replay.hpp"

namespace route::cli {
namespace {

struct ReplayOptions
{
    std::string id;
    std::string upstream;
    bool json = false;
    bool full = false;
};

/// Longer than any timeout it may take.
constexpr std::chrono::hours replay_patience{24};

boost::json::object replay_here(Session& session, const ReplayedRequest& request)
{
    const auto view = asking_view(session);
    if (!view)
        fail(describe(located(view.error(), session.configuration())));
    auto replayed = replay(*view, request);
    if (!replayed)
        fail(replayed.error().reason);
    return *std::move(replayed);
}

std::string cell_of(const boost::json::object& replayed, const char* name)
{
    const auto& value = replayed.at(name);
    if (value.is_null())
        return {};
    return value.is_string() ? std::string{value.get_string()} : boost::json::serialize(value);
}

std::string ms_cell(const boost::json::object& replayed, const char* name)
{
    const auto& value = replayed.at(name);
    return value.is_null() ? std::string{} : fmt::format("{:.1f} ms", value.to_number<double>());
}

std::string ms_cell(const std::optional<Nanoseconds>& time)
{
    return time ? ms_text(*time) + " ms" : std::string{};
}

/// Side by side what can be compared at a glance, then both answers.
void print_both(Session& session, const storage::StoredRecord& stored, const boost::json::object& now,
                bool full)
{
    const auto& then = stored.record;
    Table table{{"", "RECORDED", "NOW"}};
    table.row({"upstream", then.upstream_name, cell_of(now, "upstream")});
    table.row({"status", std::to_string(then.status), cell_of(now, "status")});
    table.row({"outcome", std::string{to_string(then.outcome)}, cell_of(now, "outcome")});
    table.row({"error", then.error, cell_of(now, "error")});
    table.row({"first byte", ms_cell(then.response_time), ms_cell(now, "first_byte_ms")});
    table.row({"elapsed", ms_cell(then.elapsed_time), ms_cell(now, "elapsed_ms")});
    table.row({"response_bytes", std::to_string(then.response_bytes), cell_of(now, "response_bytes")});
    table.row({"prompt_tokens", text_or_empty(then.prompt_tokens), cell_of(now, "prompt_tokens")});
    table.row(
        {"completion_tokens", text_or_empty(then.completion_tokens), cell_of(now, "completion_tokens")});
    table.row({"finish_reason", then.finish_reason, cell_of(now, "finish_reason")});
    table.print_whole(session.out);
    show_body(session.out, "recorded", then.response, full);
    show_body(session.out, "now", cell_of(now, "response"), full);
}

int replay(Session& session, const ReplayOptions& options)
{
    const auto found = session.database().find_record(options.id);
    if (!found)
        fail(fmt::format("there is no record {}", shown_id(options.id)));
    const auto& record = found->record;
    if (const auto reason = reason_not_sendable(record); !reason.empty())
        fail(fmt::format("record {} cannot be sent again: {}", shown_id(options.id), reason));
    if (record.body.size() != record.body_bytes)
        session.warn(
            fmt::format("the request's body had {} bytes, and {} are sent, as it is recorded: without "
                        "its compression, with … for a key or \uFFFD for bytes that are no text",
                        record.body_bytes, record.body.size()));
    ReplayedRequest request{record.method, record.path, content_type_of(record), record.body,
                            options.upstream};
    RunningRouter router{session};
    const auto answer = router.ask_once("/replay", replay_question(request), replay_patience);
    auto now = answer ? *answer : replay_here(session, request);
    const bool ok = now.at("outcome") == "ok";
    if (options.json) {
        boost::json::object both{{"recorded", record_json(*found)}};
        note_answerer(both, answer.has_value());
        if (answer)
            both["router"] = now.at("router");
        now.erase("router");
        both["now"] = std::move(now);
        print_json(session.out, both);
        return ok ? 0 : 1;
    }
    print_both(session, *found, now, options.full);
    session.out << '\n' << router.answered_by(answer ? &*answer : nullptr);
    return ok ? 0 : 1;
}

}  // namespace

void add_record_replay(Commands& record)
{
    auto& session = record.session();
    const auto options = std::make_shared<ReplayOptions>();
    auto& command = record.add("replay",
                               "Sends a request again, to one upstream, and shows both answers; the running "
                               "router does, if there is one",
                               [&session, options] { return replay(session, *options); });
    command.add_option("ID", options->id, "Its number or request_id")->required();
    command.add_option("--upstream", options->upstream, "Default: the one that would be tried first")
        ->type_name("NAME");
    command.add_flag("--full", options->full, "Answers whole, not only their first 4 KiB");
    command.add_flag("--json", options->json, "As JSON, answers whole");
}

}  // namespace route::cli
