#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace route {

/// Whether a field of that name, or a parameter of a query, looks as if it held a credential: authorization,
/// cookie, and what has key, token, secret or password in it.
bool names_credential(std::string_view name);

/// Why an upstream may not have a header of that name of its own, as what was expected; nothing when it may.
/// Refused are names that are none (RFC 9110 5.6.2), fields of one connection and of framing, and those that
/// the router decides on: Host, Accept-Encoding, those of a WebSocket's handshake.
std::optional<std::string> refused_header(std::string_view name);

}  // namespace route
