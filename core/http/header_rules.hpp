#pragma once

#include <boost/beast/http/field.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/failover/upstream.hpp"

namespace route {

/// One field line of a head (RFC 9110 5.1). The views point into the bytes of the head they were parsed from.
struct HeaderField
{
    boost::beast::http::field id;
    std::string_view name;
    std::string_view value;
};

using HeaderFields = std::vector<HeaderField>;

/// The first field of that name, or an empty view.
std::string_view find_field(const HeaderFields& fields, boost::beast::http::field id);
std::string_view find_field(const HeaderFields& fields, std::string_view name);

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
};

/// Appends the head for `upstream` to `out`: end-to-end fields of the client less those the router replaces
/// or keeps to itself (SPEC 4, "Headers to the upstream"), the upstream's key and Host, `Accept-Encoding:
/// identity`, Content-Length.
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

/// How the body of a reply is delimited towards the client (RFC 9112 6).
enum class Framing
{
    content_length,
    chunked,
    close,  ///< by the end of the connection: HTTP/1.0 clients
    none,   ///< no body: HEAD, 101, 204, 304
};

/// What the router adds to a reply of its own or of an upstream.
struct ReplyFacts
{
    std::string_view request_id;
    std::string_view upstream_name;  ///< empty: the reply is the router's own
    unsigned attempts = 0;
    Framing framing = Framing::content_length;
    std::optional<std::uint64_t>
        content_length;          ///< with Framing::content_length, and with none where the upstream gave it
    bool close = false;          ///< `Connection: close`
    bool keep_alive_10 = false;  ///< an HTTP/1.0 client that asked for keep-alive
    bool websocket = false;      ///< the reply is the 101 it asked for
    bool untried = false;        ///< a failure that is relayed although other upstreams were not asked
    std::string_view key_among_protocols = {};  ///< the client's own, if that is where it put it
};

/// Appends the head of a reply of an upstream (SPEC 4, "Headers to the client").
void write_client_head(std::string& out, unsigned status, std::string_view reason, const HeaderFields& fields,
                       const ReplyFacts& facts);

/// Appends the head of a reply of the router's own; `extra` holds whole field lines, each with its CRLF.
/// `cors` is false for the metrics only.
void write_own_head(std::string& out, unsigned status, std::string_view content_type, std::string_view extra,
                    const ReplyFacts& facts, bool cors = true);

/// The standard reason phrase (RFC 9110 15), or "".
std::string_view reason_phrase(unsigned status);

}  // namespace route
