#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/failover/endpoint.hpp"
#include "core/failover/pool_key.hpp"
#include "core/failover/upstream.hpp"
#include "core/net/transport/outbound_proxy.hpp"
#include "core/net/transport/tls_client.hpp"
#include "core/settings.hpp"

namespace route::net {

/// How connections to an endpoint lead there.
struct OutboundPath
{
    std::optional<ProxyEndpoint> proxy;
    std::string proxy_authorization;  ///< for that; "" without user and password
    PoolKey pool_key;                 ///< of the connections
};

/// `own`, `configured`: see choose_proxy(). `tls` is needed where the endpoint is https.
OutboundPath path_to(const Endpoint& endpoint, std::string_view own, std::string_view configured,
                     const EnvironmentProxies& environment, const TlsClient* tls);

/// Where a request goes and by which way. What it refers to outlives its user.
struct Destination
{
    const Endpoint& endpoint;
    const std::optional<ProxyEndpoint>& proxy;
    std::string_view proxy_authorization;
    const PoolKey& pool_key;
    TlsClient* tls;  ///< needed where the endpoint is https
    const UpstreamSettings& settings;
};

/// Of an upstream that has joined a routing table.
Destination destination_of(const Upstream& upstream, TlsClient* tls, const UpstreamSettings& settings);

}  // namespace route::net
