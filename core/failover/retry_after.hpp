// The fields by which a reply asks its client to wait.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace route {

/// `Retry-After` (RFC 9110 10.2.3): seconds, with a fraction as some upstreams write them, or an HTTP date
/// (any of its three forms) relative to `now`. A year at most; nothing when unreadable or past.
std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value,
                                                           std::chrono::system_clock::time_point now);

/// `retry-after-ms`, which OpenAI sends beside it: milliseconds, with a fraction or without; as above.
std::optional<std::chrono::milliseconds> parse_retry_after_ms(std::string_view value);

/// What the two fields ask for; where both can be read, the more precise one counts.
std::optional<std::chrono::milliseconds> asked_wait(std::string_view retry_after_ms,
                                                    std::string_view retry_after,
                                                    std::chrono::system_clock::time_point now);

}  // namespace route
