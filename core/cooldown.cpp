#include "core/cooldown.hpp"

namespace route {

namespace {

std::int64_t count(Cooldown::TimePoint time)
{
    return time.time_since_epoch().count();
}

/// Moves `until` to `end` unless it is later already; the value before.
std::int64_t extend(std::atomic<std::int64_t>& until, std::int64_t end)
{
    auto before = until.load(std::memory_order_relaxed);
    while (before < end && !until.compare_exchange_weak(before, end, std::memory_order_relaxed)) {
    }
    return before;
}

}  // namespace

// Each variable stands for itself and guards no other memory: relaxed order is enough.

std::optional<Cooldown::Away> Cooldown::succeeded()
{
    // Read first: nearly every call finds zeros, and writing would take the cache line from the other
    // threads.
    if (failures_in_a_row_.load(std::memory_order_relaxed) != 0)
        failures_in_a_row_.store(0, std::memory_order_relaxed);
    if (until_.load(std::memory_order_relaxed) == 0 && away_since_.load(std::memory_order_relaxed) == 0)
        return std::nullopt;
    const auto since = away_since_.exchange(0, std::memory_order_relaxed);
    const auto until = until_.exchange(0, std::memory_order_relaxed);
    if (since == 0)  // it was not away, or another thread's success was first
        return std::nullopt;
    // Another thread's success may have taken the end alone.
    return Away{TimePoint{Duration{since}}, until == 0 ? TimePoint::max() : TimePoint{Duration{until}},
                told_at_.load(std::memory_order_relaxed) >= since};
}

bool Cooldown::rest_until(TimePoint now, TimePoint end)
{
    const bool rested = extend(until_, count(end)) > count(now);
    std::int64_t since = 0;
    if (away_since_.compare_exchange_strong(since, count(now), std::memory_order_relaxed))
        since = count(now);
    auto told = told_at_.load(std::memory_order_relaxed);
    if ((rested && told >= since) || count(now) - told < quiet.count())
        return false;
    // Of several threads one tells.
    return told_at_.compare_exchange_strong(told, count(now), std::memory_order_relaxed);
}

bool Cooldown::failed(TimePoint now, int threshold, Duration length)
{
    if (threshold <= 0 || length <= Duration::zero())
        return false;
    auto failures = failures_in_a_row_.load(std::memory_order_relaxed);
    if (failures < threshold)  // not counted further, so that it never overflows
        failures = failures_in_a_row_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (failures < threshold)
        return false;
    return rest_until(now, now + length);
}

bool Cooldown::retry_after(TimePoint now, Duration wait)
{
    return wait > Duration::zero() && rest_until(now, now + std::min(wait, longest_retry_after));
}

bool Cooldown::active(TimePoint now) const
{
    return count(now) < until_.load(std::memory_order_relaxed);
}

Cooldown::TimePoint Cooldown::until() const
{
    return TimePoint{Duration{until_.load(std::memory_order_relaxed)}};
}

}  // namespace route
