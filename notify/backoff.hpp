#pragma once

#include <chrono>
#include <optional>

namespace route::notify {

/// How a message is tried again.
struct Retries
{
    std::chrono::milliseconds first{1'000};      ///< before the second try; doubled before each further one
    std::chrono::milliseconds longest{60'000};   ///< more is waited only where the channel wants it
    std::chrono::milliseconds give_up{600'000};  ///< no try begins later than this after the first
};

/// How long to wait after the `tries`th try (1: the first), or nothing: given up. `wanted` is what the
/// channel asked for: no less is waited, unless the time is up before; then there is a last try. `random`
/// from 0 to 1 spreads the tries of several routers, over half of the time without it and upwards with it.
/// `since` is the time since the first try.
std::optional<std::chrono::milliseconds> wait_before_next(const Retries& retries, unsigned tries,
                                                          std::chrono::milliseconds since,
                                                          std::optional<std::chrono::milliseconds> wanted,
                                                          double random);

}  // namespace route::notify
