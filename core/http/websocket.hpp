#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace route {

// Browsers cannot set the Authorization of a WebSocket: OpenAI's clients send the key as one of the protocols
// they offer (RFC 6455 11.3.4), `openai-insecure-api-key.KEY`.

/// The key among the protocols of one Sec-WebSocket-Protocol field; none when it holds none.
std::optional<std::string_view> key_among_protocols(std::string_view protocols);

/// The protocols less keys, the first of which becomes `key` if that is not empty.
std::string protocols_with_key(std::string_view protocols, std::string_view key);

/// Whether `key` may stand among protocols: a token (RFC 9110 5.6.2).
bool may_be_protocol(std::string_view key);

}  // namespace route
