#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/failover/upstream.hpp"
#include "core/http/header_fields.hpp"

namespace route {

/// Where a client put its key, and where the upstream's goes.
enum class KeyPlace
{
    authorization,
    x_api_key,
    api_key,             ///< Azure's clients
    websocket_protocol,  ///< `openai-insecure-api-key.KEY` in Sec-WebSocket-Protocol
};

/// How a request goes to one upstream.
struct UpstreamRequest
{
    std::string_view method;
    std::string_view path;   ///< the client's, "/v1/chat/completions"
    std::string_view query;  ///< with its '?', or empty
    const HeaderFields& fields;
    std::optional<std::uint64_t> body_bytes;  ///< none: the request has no body at all
    KeyPlace key_place = KeyPlace::authorization;
    bool upgrade_websocket = false;
    std::string_view model = {};  ///< as the upstream is asked for it, where its endpoint has `{model}`
};

/// Appends the head for `upstream` to `out`: end-to-end fields of the client less those the router replaces
/// or keeps to itself (SPEC 4, "Headers to the upstream"), the upstream's own headers, its key and Host,
/// `Accept-Encoding: identity`, Content-Length.
void write_upstream_head(std::string& out, const UpstreamRequest& request, const Upstream& upstream);

/// A request of the router's own, to an endpoint whose path is the whole of what is asked for.
struct OwnRequest
{
    std::string_view method;
    std::string_view query;  ///< with its '?', or empty
    /// Beside Host, Accept-Encoding and Content-Length; without control characters.
    const std::vector<std::pair<std::string, std::string>>& fields;
    std::optional<std::uint64_t> body_bytes;  ///< none: the request has no body at all
};

/// Appends its head to `out`. With a `proxy` that leads to a plain server, in the form for that (RFC 9112
/// 3.2.2), with `proxy_authorization` unless that is empty.
void write_own_request_head(std::string& out, const OwnRequest& request, const Endpoint& endpoint,
                            const std::optional<ProxyEndpoint>& proxy, std::string_view proxy_authorization);

}  // namespace route
