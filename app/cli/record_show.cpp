#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/mistyped.hpp"
#include "app/cli/record_text.hpp"
#include "app/cli/shown_body.hpp"
#include "app/cli/terminal.hpp"
#include "core/text.hpp"
#include "core/timestamps.hpp"

namespace route::cli {
namespace {

struct ShownRecordOptions
{
    std::string id;
    bool json = false;
    bool full = false;
};

void show_json(Session& session, const storage::StoredRecord& stored)
{
    auto json = record_json(stored);
    boost::json::array tries;
    for (const auto& attempt : stored.record.attempts)
        tries.push_back(attempt_json(attempt));
    json["tries"] = std::move(tries);
    print_json(session.out, json);
}

std::string ms_or_empty(const std::optional<Nanoseconds>& time)
{
    return time ? ms_text(*time) + " ms" : "";
}

void show_fields(Session& session, const storage::StoredRecord& stored)
{
    const auto& record = stored.record;
    Table table{{"id", std::to_string(stored.id)}};
    table.row({"request_id", record.request_id});
    table.row({"client_request_id", record.client_request_id});
    table.row({"created_at", format_timestamp(record.created_at)});
    table.row({"node", record.node});
    table.row({"ip", record.ip});
    table.row({"key_name", record.key_name});
    table.row({"user_agent", record.user_agent});
    table.row({"method", record.method});
    table.row({"path", record.path});
    table.row({"model", record.model.value_or("")});
    table.row({"stream", record.stream ? "true" : "false"});
    table.row({"body_bytes", std::to_string(record.body_bytes)});
    table.row({"status", std::to_string(record.status)});
    table.row({"outcome", std::string{to_string(record.outcome)}});
    table.row({"error", record.error});
    table.row({"upstream_id", record.upstream_id == 0 ? "" : std::to_string(record.upstream_id)});
    table.row({"upstream_name", record.upstream_name});
    table.row({"upstream_endpoint", mask_endpoint(record.upstream_endpoint)});
    table.row({"attempts", std::to_string(stored.attempts)});
    table.row({"response_bytes", std::to_string(record.response_bytes)});
    table.row({"response_time", ms_or_empty(record.response_time)});
    table.row({"elapsed_time", ms_or_empty(record.elapsed_time)});
    table.row({"prompt_tokens", text_or_empty(record.prompt_tokens)});
    table.row({"completion_tokens", text_or_empty(record.completion_tokens)});
    table.row({"total_tokens", text_or_empty(record.total_tokens)});
    table.row({"finish_reason", record.finish_reason});
    table.row({"trace_id", record.trace_id});
    table.print_whole(session.out);
}

void show_attempts(Session& session, const std::vector<AttemptRecord>& attempts)
{
    Table table{
        {">ATTEMPT", "STARTED", "UPSTREAM", ">STATUS", "OUTCOME", ">FIRST BYTE", ">ELAPSED", "ERROR"}};
    for (const auto& attempt : attempts)
        table.row({std::to_string(attempt.number), format_timestamp(attempt.started_at),
                   attempt.upstream_name, text_or_empty(attempt.status),
                   std::string{to_string(attempt.outcome)}, ms_or_empty(attempt.first_byte_time),
                   ms_or_empty(attempt.elapsed_time), attempt.error});
    session.out << '\n';
    table.print_whole(session.out);
}

int show(Session& session, const ShownRecordOptions& options)
{
    const auto found = session.database().find_record(options.id);
    if (!found)
        fail(fmt::format("there is no record {}", shown_id(options.id)));
    if (options.json) {
        show_json(session, *found);
        return 0;
    }
    Pager pager{session.out};
    show_fields(session, *found);
    if (!found->record.attempts.empty())
        show_attempts(session, found->record.attempts);
    show_body(session.out, "body", found->record.body, options.full);
    show_body(session.out, "response", found->record.response, options.full);
    return 0;
}

}  // namespace

void add_record_show(Commands& record)
{
    auto& session = record.session();
    const auto options = std::make_shared<ShownRecordOptions>();
    auto& command = record.add("show", "Shows one record with its attempts and bodies",
                               [&session, options] { return show(session, *options); });
    command.add_option("ID", options->id, "Its number or request_id")->required();
    command.add_flag("--full", options->full, "Bodies whole, not only their first 4 KiB");
    command.add_flag("--json", options->json,
                     "As JSON, bodies whole; `attempts` is their number, `tries` are they");
}

}  // namespace route::cli
