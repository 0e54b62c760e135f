#include "core/net/transport/destination.hpp"

namespace route::net {

OutboundPath path_to(const Endpoint& endpoint, std::string_view own, std::string_view configured,
                     const EnvironmentProxies& environment, const TlsClient* tls)
{
    OutboundPath path;
    path.proxy = choose_proxy(endpoint, own, configured, environment);
    std::string through;
    if (path.proxy) {
        path.proxy_authorization = proxy_authorization(*path.proxy);
        through = path.proxy->host + ":" + std::to_string(path.proxy->port) + " " + path.proxy_authorization;
    }
    path.pool_key = pool_key(endpoint.origin, through, endpoint.tls ? tls->number() : 0);
    return path;
}

Destination destination_of(const Upstream& upstream, TlsClient* tls, const UpstreamSettings& settings)
{
    return {upstream.endpoint, upstream.via, upstream.proxy_authorization, upstream.pool_key, tls, settings};
}

}  // namespace route::net
