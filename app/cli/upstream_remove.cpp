#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/upstream_lookup.hpp"

namespace route::cli {
namespace {

int remove(Session& session, const std::string& id)
{
    const auto definition = find_changeable_upstream(session, id);
    if (!session.database().remove_upstream(definition.id))
        fail(fmt::format("upstream {} was removed meanwhile", id));
    session.out << fmt::format("removed upstream {}: {}\n", definition.id, effective_name(definition));
    return 0;
}

}  // namespace

void add_upstream_remove(Commands& upstream)
{
    auto& session = upstream.session();
    const auto id = std::make_shared<std::string>();
    auto& command = upstream.add("remove", "Removes an upstream; its records stay",
                                 [&session, id] { return remove(session, *id); });
    command.add_option("ID", *id, "Number or name")->required();
}

}  // namespace route::cli
