#pragma once

#include <memory>
#include <optional>

#include "app/config_file.hpp"
#include "core/net/routing_table.hpp"
#include "core/net/server.hpp"

namespace route {

// What of serving the configuration alone decides. Their errors name the key ("auth.keys[0]"); located() says
// where in the file that is.

/// Where `server.listen` says to listen.
ConfigResult<net::ListenAddress> listen_address(const Settings& settings);

/// TLS towards upstreams.
ConfigResult<std::shared_ptr<net::TlsClient>> upstream_tls(const Settings& settings);

/// A routing table with the settings, the client keys of the file, the trusted proxies and TLS, and without
/// upstreams. `tls` when there is one, else made of what `upstream.ca_file` holds now.
ConfigResult<std::shared_ptr<net::RoutingTable>> configured_table(
    const Settings& settings, std::shared_ptr<net::TlsClient> tls = nullptr);

/// Why serving would refuse this configuration, or would have to pass over an upstream of it.
std::optional<ConfigError> check_for_serving(const Configuration& configuration);

/// The error with the place of its key in the file.
ConfigError located(ConfigError error, const Configuration& configuration);

}  // namespace route
