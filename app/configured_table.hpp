#pragma once

#include <memory>
#include <vector>

#include "app/config/config_file.hpp"
#include "core/net/loop/routing_table.hpp"
#include "core/net/server.hpp"

namespace route {

// What of serving the configuration alone decides. Their errors name the key ("auth.keys[0]"); located() says
// where in the file that is.

/// Where `server.listen` says to listen: on an address; of the names `localhost` alone is one.
ConfigResult<ListenAddress> listen_address(const Settings& settings);

/// What http_proxy, https_proxy and no_proxy of the environment say.
Result<net::EnvironmentProxies> environment_proxies();

/// Gives the table, by its settings, what upstreams are reached with: the authorities that `upstream.ca_file`
/// holds now and the proxies; `upstream.proxy` is resolved there.
ConfigResult<void> set_outbound(net::RoutingTable& table);

/// A routing table with the settings, the client keys of the file, the trusted proxies and TLS in both
/// directions, and without upstreams. Certificates, authorities and proxies are those of `before`, if given,
/// else read now.
ConfigResult<std::shared_ptr<net::RoutingTable>> configured_table(const Settings& settings,
                                                                  const net::RoutingTable* before = nullptr);

/// All for which serving would refuse this configuration; empty when it would not.
std::vector<ConfigError> check_for_serving(const Configuration& configuration);

/// The upstreams of the file that serving would have to pass over.
std::vector<ConfigError> unusable_upstreams(const Configuration& configuration);

/// The error with the place of its key in the file.
ConfigError located(ConfigError error, const Configuration& configuration);

}  // namespace route
