#include "app/cli/asking_view.hpp"

#include "app/configured_table.hpp"

namespace route::cli {

ConfigResult<RoutingView> asking_view(Session& session)
{
    storage::UpstreamsAndKeys stored;
    if (session.has_database())
        stored.upstreams = session.database().upstreams();
    auto view = own_view(session.configuration().settings, stored);
    const auto table = std::make_shared<net::RoutingTable>(*view.table);
    if (const auto outbound = set_outbound(*table); outbound.has_error())
        return outbound.error();
    for (const auto& upstream : view.upstreams)
        if (upstream.usable)
            net::add_secrets(table->secrets, *upstream.usable);
    view.table = table;
    return view;
}

}  // namespace route::cli
