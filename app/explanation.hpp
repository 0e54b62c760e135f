#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "app/routing_view.hpp"
#include "core/client_key.hpp"

namespace route {

/// A request that is not made.
struct ImaginedRequest
{
    std::string model;
    std::string path = "/v1/chat/completions";
    std::uint64_t body_bytes = 0;
    bool stream = false;
    std::optional<KeyHash> key;  ///< SHA-256 of a client key, or of the name of one
};

/// Which upstreams would be tried for it, in which order and with which timeouts (`order`), which not and why
/// (`not_tried`), and of whom the key is (`key`). Draws where the order is random.
boost::json::object explain(const RoutingView& view, const ImaginedRequest& request);

}  // namespace route
