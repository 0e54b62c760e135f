#include "core/cooldown.hpp"

#include <algorithm>

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

void Cooldown::succeeded()
{
    // Read first: nearly every call finds zeros, and writing would take the cache line from the other
    // threads.
    if (failures_in_a_row_.load(std::memory_order_relaxed) != 0)
        failures_in_a_row_.store(0, std::memory_order_relaxed);
    if (until_.load(std::memory_order_relaxed) != 0)
        until_.store(0, std::memory_order_relaxed);
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
    return extend(until_, count(now + length)) <= count(now);
}

void Cooldown::retry_after(TimePoint now, Duration wait)
{
    if (wait > Duration::zero())
        extend(until_, count(now + std::min(wait, longest_retry_after)));
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
