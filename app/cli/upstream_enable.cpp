#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/upstream_lookup.hpp"

namespace route::cli {
namespace {

int set_enabled(Session& session, const std::string& id, bool enabled)
{
    auto definition = find_changeable_upstream(session, id);
    definition.enabled = enabled;
    if (!session.database().update_upstream(definition))
        fail(fmt::format("upstream {} was removed meanwhile", id));
    session.out << fmt::format("{} upstream {}: {}\n", enabled ? "enabled" : "disabled", definition.id,
                               effective_name(definition));
    if (enabled)
        warn_of_unusable(session, definition);
    return 0;
}

void add(Commands& upstream, const char* name, const char* description, bool enabled)
{
    auto& session = upstream.session();
    const auto id = std::make_shared<std::string>();
    auto& command = upstream.add(name, description,
                                 [&session, id, enabled] { return set_enabled(session, *id, enabled); });
    command.add_option("ID", *id, "Number or name")->required();
}

}  // namespace

void add_upstream_enable(Commands& upstream)
{
    add(upstream, "enable", "Uses an upstream again", true);
    add(upstream, "disable", "Keeps an upstream without using it", false);
}

}  // namespace route::cli
