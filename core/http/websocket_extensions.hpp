#pragma once

#include <optional>
#include <string_view>

namespace route {

/// How the messages of one direction are compressed (RFC 7692, permessage-deflate).
struct WebSocketDeflate
{
    bool agreed = false;
    bool no_context_takeover = false;  ///< each message is compressed by itself

    bool operator==(const WebSocketDeflate&) const = default;
};

/// What both sides agreed on in the handshake.
struct WebSocketExtensions
{
    WebSocketDeflate client;  ///< of what the client sends
    WebSocketDeflate server;

    bool operator==(const WebSocketExtensions&) const = default;
};

/// Of the `Sec-WebSocket-Extensions` of the server's reply, several fields joined by a comma; "" when it has
/// none. Nothing when it is malformed, or names an extension or a parameter that is not known here: what a
/// frame means can then not be told.
std::optional<WebSocketExtensions> read_websocket_extensions(std::string_view reply_field);

}  // namespace route
