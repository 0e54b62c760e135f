#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/upstream_lookup.hpp"
#include "app/cli/upstream_options.hpp"

namespace route::cli {
namespace {

int add(Session& session, const UpstreamOptions& options)
{
    auto& database = session.database_to_begin();
    UpstreamDefinition definition;
    apply(session, options, definition);
    check_upstream(session, definition);
    definition.id = database.add_upstream(definition);
    session.out << fmt::format("added upstream {}: {}\n", definition.id, effective_name(definition));
    warn_of_unresolvable_secrets(session, definition);
    return 0;
}

}  // namespace

void add_upstream_add(Commands& upstream)
{
    auto& session = upstream.session();
    const auto options = std::make_shared<UpstreamOptions>();
    auto& command = upstream.add("add", "Adds an upstream; running routers use it within a second",
                                 [&session, options] { return add(session, *options); });
    declare(command, *options, OptionsFor::add)->required();
}

}  // namespace route::cli
