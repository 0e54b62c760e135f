#pragma once

#include "app/cli/session.hpp"
#include "app/routing_view.hpp"

namespace route::cli {

/// What this command sees of upstreams, and what they are reached with: for those that it asks itself.
/// Refused when a file for that cannot be read.
ConfigResult<RoutingView> asking_view(Session& session);

}  // namespace route::cli
