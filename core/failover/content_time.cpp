#include "core/failover/content_time.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace route {
namespace {

using Micros = std::chrono::duration<std::int64_t, std::micro>;

std::uint32_t tenths(MovingMean::Clock::time_point now)
{
    const auto since =
        std::chrono::floor<std::chrono::duration<std::int64_t, std::deci>>(now.time_since_epoch());
    return static_cast<std::uint32_t>(std::max<std::int64_t>(since.count(), 1));
}

std::uint32_t micros(MovingMean::Clock::duration took)
{
    constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max();
    const auto count = std::chrono::floor<Micros>(took).count();
    return static_cast<std::uint32_t>(std::clamp<std::int64_t>(count, 0, most));
}

/// What is left of a thing that halves, after the tenths from `since` until `now`; other threads' clocks may
/// be ahead.
double left_of(std::uint32_t since, std::uint32_t now)
{
    const double halves = now <= since ? 0 : (now - since) / (10.0 * MovingMean::half_life.count());
    return std::exp2(-halves);
}

}  // namespace

void MovingMean::add(Clock::duration took, Clock::time_point now)
{
    constexpr double least_share = 1.0 / 8;
    const auto at = tenths(now);
    auto known = state_.load(std::memory_order_relaxed);
    State next;
    do {
        const auto share =
            known.noted_at == 0 ? 1.0 : std::max(least_share, 1.0 - left_of(known.noted_at, at));
        const double mean = known.mean + share * (static_cast<double>(micros(took)) - known.mean);
        next = {static_cast<std::uint32_t>(std::lround(mean)), std::max(at, known.noted_at)};
    } while (!state_.compare_exchange_weak(known, next, std::memory_order_relaxed));
}

void MovingMean::add_at_least(Clock::duration took, Clock::time_point now)
{
    const auto mean = at(now);
    if (!mean || took > *mean)
        add(took, now);
}

std::optional<MovingMean::Clock::duration> MovingMean::at(Clock::time_point now) const
{
    const auto known = state_.load(std::memory_order_relaxed);
    if (known.noted_at == 0)
        return std::nullopt;
    const auto mean = known.mean * left_of(known.noted_at, tenths(now));
    return std::chrono::duration_cast<Clock::duration>(Micros{std::llround(mean)});
}

}  // namespace route
