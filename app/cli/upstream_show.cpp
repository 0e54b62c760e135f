#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/table.hpp"
#include "app/cli/upstream_states.hpp"
#include "app/config/config_values.hpp"

namespace route::cli {
namespace {

struct ShownUpstreamOptions
{
    std::string id;
    bool json = false;
};

/// Of a column that holds something else, that.
std::string joined(const UpstreamDefinition& definition, const char* column,
                   const std::vector<std::string>& values)
{
    const auto unreadable = definition.unreadable.find(column);
    return unreadable == definition.unreadable.end() ? fmt::format("{}", fmt::join(values, " "))
                                                     : unreadable->second;
}

std::string seconds_text(const std::optional<Seconds>& seconds)
{
    return seconds ? fmt::format("{} s", seconds->count()) : "";
}

std::vector<std::string> pairs(const std::map<std::string, std::string>& texts)
{
    std::vector<std::string> result;
    result.reserve(texts.size());
    for (const auto& [name, text] : texts)
        result.push_back(fmt::format("{}={}", name, text));
    return result;
}

void add_needs(Table& table, const UpstreamDefinition& definition)
{
    table.row({"retries", definition.retries ? std::to_string(*definition.retries) : ""});
    table.row({"first_content_timeout", seconds_text(definition.first_content_timeout)});
    table.row({"hedge_after", seconds_text(definition.hedge_after)});
    table.row(
        {"max_in_flight", definition.max_in_flight > 0 ? std::to_string(definition.max_in_flight) : ""});
    // What a row holds there instead may be a key.
    const bool unreadable = definition.unreadable.count("headers") > 0;
    table.row({"headers",
               unreadable ? "…" : joined(definition, "headers", pairs(mask_headers(definition.headers)))});
    table.row({"set", joined(definition, "set", pairs(definition.set))});
    table.row({"unset", joined(definition, "unset", definition.unset)});
    table.row({"key_header", definition.key_header});
}

int show(Session& session, const ShownUpstreamOptions& options)
{
    const auto upstream = find_upstream(session, options.id);
    const UpstreamStates states{session, {upstream}};
    if (options.json) {
        print_json(session.out, states.json_of(upstream));
        return 0;
    }
    const auto& definition = upstream.definition;
    Table table{{"id", id_text(upstream)}};
    table.row({"name", effective_name(definition)});
    table.row({"endpoint", mask_endpoint(definition.endpoint)});
    table.row({"sk", mask_key(definition.sk)});
    table.row({"priority", std::to_string(definition.priority)});
    table.row({"weight", std::to_string(definition.weight)});
    table.row({"timeout", seconds_text(definition.timeout)});
    table.row({"stream_timeout", seconds_text(definition.stream_timeout)});
    table.row({"allow", joined(definition, "allow", definition.allow)});
    table.row({"deny", joined(definition, "deny", definition.deny)});
    table.row({"rename", joined(definition, "rename", pairs(definition.rename))});
    add_needs(table, definition);
    table.row({"proxy", mask_proxy(definition.proxy)});
    table.row({"state", states.of(upstream)});
    table.print_whole(session.out);
    session.out << states.answered_by();
    return 0;
}

}  // namespace

void add_upstream_show(Commands& upstream)
{
    auto& session = upstream.session();
    const auto options = std::make_shared<ShownUpstreamOptions>();
    auto& command =
        upstream.add("show", "Shows one upstream", [&session, options] { return show(session, *options); });
    command.add_option("ID", options->id, "Number or name")->required();
    command.add_flag("--json", options->json, "As JSON");
}

}  // namespace route::cli
