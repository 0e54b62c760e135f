#include <fmt/format.h>

#include <boost/json/array.hpp>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/table.hpp"
#include "app/cli/upstream_states.hpp"

namespace route::cli {
namespace {

std::string bare_seconds(const std::optional<Seconds>& seconds)
{
    return seconds ? fmt::format("{}", seconds->count()) : "";
}

Tone tone_of(std::string_view state)
{
    if (state.starts_with("disabled"))
        return Tone::plain;
    return state == "enabled" ? Tone::good : Tone::bad;
}

int list_upstreams(Session& session, bool json)
{
    const auto upstreams = listed_upstreams(session);
    const UpstreamStates states{session, upstreams};
    if (json) {
        boost::json::array array;
        for (const auto& upstream : upstreams)
            array.push_back(states.json_of(upstream));
        print_json(session.out, array);
        return 0;
    }
    Table table{
        {">ID", "NAME", "ENDPOINT", "?KEY", "?>PRIORITY", "?>WEIGHT", "?>TIMEOUT", "?>STREAM", "~STATE"}};
    for (const auto& upstream : upstreams) {
        const auto& definition = upstream.definition;
        const auto state = states.of(upstream);
        table.row(
            {id_text(upstream), effective_name(definition), mask_endpoint(definition.endpoint),
             mask_key(definition.sk), std::to_string(definition.priority), std::to_string(definition.weight),
             bare_seconds(definition.timeout), bare_seconds(definition.stream_timeout), state},
            tone_of(state));
    }
    table.print(session.out);
    session.out << states.answered_by();
    return 0;
}

}  // namespace

void add_upstream_list(Commands& upstream)
{
    auto& session = upstream.session();
    const auto json = std::make_shared<bool>(false);
    auto& command = upstream.add("list", "Lists upstreams in the order in which they are tried",
                                 [&session, json] { return list_upstreams(session, *json); });
    command.add_flag("--json", *json, "As JSON");
}

}  // namespace route::cli
