#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/failover/endpoint.hpp"
#include "core/result.hpp"

namespace route::net {

/// The proxies the environment names, and the hosts they are not for.
struct EnvironmentProxies
{
    std::optional<ProxyEndpoint> http;   ///< for http:// upstreams
    std::optional<ProxyEndpoint> https;  ///< for https:// upstreams
    std::string exempt;                  ///< NO_PROXY

    /// Takes the values of HTTP_PROXY, HTTPS_PROXY and NO_PROXY; the scheme may be left out, as is the custom
    /// there. The reason of a refusal names the variable and quotes nothing of its value.
    static Result<EnvironmentProxies> parse(std::string_view http, std::string_view https,
                                            std::string_view exempt);
};

/// Whether NO_PROXY exempts this endpoint: `*`, a name with those below it (`example.com`, `.example.com`),
/// an address or a network (`10.0.0.0/8`), each with or without a port.
bool is_exempt(std::string_view exempt, const Endpoint& endpoint);

/// Through which proxy connections to an upstream lead: `own` decides (the URL of a proxy or `direct`), then
/// `configured` (the same), then the environment, which is not for this very machine (localhost, 127.0.0.0/8,
/// ::1) and what it exempts. `own` and `configured` are valid.
std::optional<ProxyEndpoint> choose_proxy(const Endpoint& endpoint, std::string_view own,
                                          std::string_view configured, const EnvironmentProxies& environment);

}  // namespace route::net
