#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/upstream_lookup.hpp"
#include "app/cli/upstream_options.hpp"

namespace route::cli {
namespace {

struct SetOptions
{
    std::string id;
    UpstreamOptions change;
};

int set(Session& session, const SetOptions& options)
{
    const auto before = find_changeable_upstream(session, options.id);
    auto definition = before;
    apply(session, options.change, definition);
    if (definition == before) {
        session.out << fmt::format("upstream {}: nothing changes\n", effective_name(definition));
        return 0;
    }
    check_upstream(session, definition, &before);
    if (!session.database().update_upstream(definition))
        fail(fmt::format("upstream {} was removed meanwhile", options.id));
    session.out << fmt::format("changed upstream {}: {}\n", definition.id, effective_name(definition));
    if (options.change.sk || options.change.proxy)
        warn_of_unresolvable_secrets(session, definition);
    return 0;
}

}  // namespace

void add_upstream_set(Commands& upstream)
{
    auto& session = upstream.session();
    const auto options = std::make_shared<SetOptions>();
    auto& command = upstream.add("set", "Changes what is named of an upstream",
                                 [&session, options] { return set(session, *options); });
    command.add_option("ID", options->id, "Number or name")->required();
    declare(command, options->change, OptionsFor::set);
}

}  // namespace route::cli
