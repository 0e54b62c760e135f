#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <chrono>

#include "app/cli/asking_view.hpp"
#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/running_router.hpp"
#include "app/cli/table.hpp"
#include "app/configured_table.hpp"
#include "app/upstream_probe.hpp"
#include "core/text.hpp"

namespace route::cli {
namespace {

struct ProbeOptions
{
    std::string id;
    bool json = false;
};

/// Longer than any timeout a probe has.
constexpr std::chrono::hours patience{1};

boost::json::object test_here(Session& session, const std::string& id)
{
    const auto view = asking_view(session);
    if (!view)
        fail(describe(located(view.error(), session.configuration())));
    const auto* upstream = view->find(id);
    if (upstream == nullptr)
        fail(fmt::format("there is no upstream {}", id.size() < 65 ? id : mask_key(id)));
    return probe_json(*upstream, probe_upstream(*view, *upstream));
}

std::string text_of(const boost::json::value& value)
{
    if (value.is_null())
        return {};
    return value.is_string() ? std::string{value.get_string()} : boost::json::serialize(value);
}

void print_result(Session& session, const boost::json::object& tested)
{
    Table table{{"upstream", text_of(tested.at("upstream"))}};
    for (const char* row : {"endpoint", "status", "outcome"})
        if (row != std::string_view{"outcome"} || !tested.at(row).is_null())
            table.row({row, text_of(tested.at(row))});
    if (const auto& latency = tested.at("latency_ms"); latency.is_double())
        table.row({"latency", fmt::format("{:.1f} ms", latency.get_double())});
    if (!tested.at("error").is_null())
        table.row({"error", text_of(tested.at("error"))});
    table.print_whole(session.out);
}

int test(Session& session, const ProbeOptions& options)
{
    RunningRouter router{session};
    const auto answer = router.ask("/upstreams/test", {{"id", clean_utf8(options.id)}}, patience);
    auto tested = answer ? *answer : test_here(session, options.id);
    if (options.json) {
        note_answerer(tested, answer.has_value());
        print_json(session.out, tested);
    } else {
        print_result(session, tested);
        session.out << '\n' << router.answered_by(answer ? &*answer : nullptr);
    }
    const auto name = text_of(tested.at("upstream"));
    if (!tested.at("ok").as_bool())
        fail(fmt::format("upstream {} failed: {}", name, text_of(tested.at("error"))));
    if (!tested.at("json").as_bool())
        session.warn(fmt::format("upstream {} answers, but not with JSON: is its endpoint right?", name));
    return 0;
}

}  // namespace

void add_upstream_test(Commands& upstream)
{
    auto& session = upstream.session();
    const auto options = std::make_shared<ProbeOptions>();
    auto& command = upstream.add(
        "test", "Asks an upstream for its models, with its key; the running router does, if there is one",
        [&session, options] { return test(session, *options); });
    command.add_option("ID", options->id, "Number or name")->required();
    command.add_flag("--json", options->json, "As JSON");
}

}  // namespace route::cli
