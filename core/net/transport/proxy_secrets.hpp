#pragma once

#include <string>
#include <vector>

#include "core/failover/upstream.hpp"

namespace route::net {

/// What nobody may see of the proxy an upstream is reached through: its password and its credentials as they
/// are sent. A proxy may quote them. Empty without a proxy, or for one without a user.
std::vector<std::string> proxy_secrets(const Upstream& upstream);

}  // namespace route::net
