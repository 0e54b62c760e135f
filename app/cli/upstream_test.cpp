#include <fmt/format.h>

#include <algorithm>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/record_text.hpp"
#include "app/cli/upstream_lookup.hpp"
#include "app/configured_table.hpp"
#include "app/upstream_probe.hpp"

namespace route::cli {
namespace {

struct ProbeOptions
{
    std::string id;
    bool json = false;
};

/// Whether no other one would be tried.
bool is_only(Session& session, const SourcedUpstream& upstream)
{
    const auto all = listed_upstreams(session);
    return std::none_of(all.begin(), all.end(), [&](const SourcedUpstream& other) {
        return other.definition.enabled &&
               effective_name(other.definition) != effective_name(upstream.definition);
    });
}

ProbeResult probe(Session& session, const SourcedUpstream& upstream)
{
    const auto& configuration = session.configuration();
    const auto& settings = configuration.settings;
    auto made = make_upstream(upstream.definition, secrets_for(upstream.origin, settings.secrets), nullptr);
    ProbeResult refused;
    if (made.has_error()) {
        refused.error = "it cannot be used: " + made.error().reason;
        return refused;
    }
    const auto table = std::make_shared<net::RoutingTable>();
    table->settings = settings;
    if (const auto outbound = set_outbound(*table); outbound.has_error()) {
        refused.error = describe(located(outbound.error(), configuration));
        return refused;
    }
    net::add_upstream(*table, *std::move(made));
    return probe_upstream(table, is_only(session, upstream));
}

void print_text(Session& session, const SourcedUpstream& upstream, const ProbeResult& result)
{
    Table table{{"upstream", effective_name(upstream.definition)}};
    table.row({"endpoint", mask_endpoint(upstream.definition.endpoint)});
    table.row({"status", text_or_empty(result.status)});
    if (result.outcome) {
        table.row({"outcome", std::string{to_string(*result.outcome)}});
        table.row({"latency", ms_text(result.elapsed) + " ms"});
    }
    if (!result.error.empty())
        table.row({"error", result.error});
    table.print(session.out);
}

void print_as_json(Session& session, const SourcedUpstream& upstream, const ProbeResult& result)
{
    boost::json::object json;
    json["upstream"] = json_text(effective_name(upstream.definition));
    json["endpoint"] = json_text(mask_endpoint(upstream.definition.endpoint));
    json["ok"] = result.outcome == AttemptOutcome::ok;
    json["status"] = json_or_null(result.status);
    json["outcome"] = nullptr;
    json["latency_ms"] = nullptr;
    json["error"] = nullptr;
    if (result.outcome) {
        json["outcome"] = to_string(*result.outcome);
        json["latency_ms"] = std::chrono::duration<double, std::milli>{result.elapsed}.count();
    }
    if (!result.error.empty())
        json["error"] = json_text(result.error);
    print_json(session.out, json);
}

int test(Session& session, const ProbeOptions& options)
{
    const auto upstream = find_upstream(session, options.id);
    const auto result = probe(session, upstream);
    if (options.json)
        print_as_json(session, upstream, result);
    else
        print_text(session, upstream, result);
    const auto name = effective_name(upstream.definition);
    if (result.outcome != AttemptOutcome::ok)
        fail(fmt::format("upstream {} failed: {}", name, result.error));
    if (!result.json)
        session.warn(fmt::format("upstream {} answers, but not with JSON: is its endpoint right?", name));
    return 0;
}

}  // namespace

void add_upstream_test(Commands& upstream)
{
    auto& session = upstream.session();
    const auto options = std::make_shared<ProbeOptions>();
    auto& command = upstream.add("test", "Asks an upstream for its models, with its key",
                                 [&session, options] { return test(session, *options); });
    command.add_option("ID", options->id, "Number or name")->required();
    command.add_flag("--json", options->json, "As JSON");
}

}  // namespace route::cli
