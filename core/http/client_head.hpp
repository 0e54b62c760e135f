#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/http/header_fields.hpp"

namespace route {

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
    bool untried = false;  ///< a failure that is relayed although there are upstreams that were not asked
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
