// The cooldown of one upstream, or of one model at it.
#include "core/failover/cooldown_state.hpp"

namespace route {

namespace {

std::int64_t count(CooldownState::TimePoint time)
{
    return time.time_since_epoch().count();
}

/// Moves `until` to `end` unless it is later already; the value before.
std::int64_t extend(std::atomic<std::int64_t>& until, std::int64_t end)
{
    auto before = until.load();
    while (before < end && !until.compare_exchange_weak(before, end)) {
    }
    return before;
}

/// A sixth of the longest, doubled for each before it.
CooldownState::Duration next_length(CooldownState::Duration longest, int cooldowns_before)
{
    constexpr int doublings = 3;  // more pass the longest
    const auto first = std::max(longest / 6, CooldownState::Duration{1});
    return std::min(first * (1 << std::min(cooldowns_before, doublings)), longest);
}

}  // namespace

/// Not counted further than the threshold, so that it never overflows.
bool CooldownState::count_failure(int threshold)
{
    if (threshold <= 0)
        return false;
    auto failures = failures_in_a_row_.load(std::memory_order_relaxed);
    if (failures < threshold)
        failures = failures_in_a_row_.fetch_add(1, std::memory_order_relaxed) + 1;
    return failures >= threshold;
}

std::optional<CooldownState::Begun> CooldownState::failed(TimePoint now, const FailedTry& failure,
                                                          const CooldownRule& rule)
{
    if (rule.longest <= Duration::zero())
        return std::nullopt;
    const bool next = count_failure(rule.after) && until_.load() <= count(now) &&
                      count(failure.started) >= began_.load(std::memory_order_relaxed);
    Begun begun;
    if (next)
        begun = {rule.after, next_length(rule.longest, cooldowns_in_a_row_.load(std::memory_order_relaxed))};
    if (const auto asked = std::min(failure.asked_wait.value_or(Duration::zero()), longest_asked_wait);
        asked > begun.length)
        begun = {0, asked};
    if (begun.length <= Duration::zero())
        return std::nullopt;
    const bool rested = extend(until_, count(now + begun.length)) > count(now);
    if (!rested) {
        began_.store(count(now), std::memory_order_relaxed);
        if (next)
            cooldowns_in_a_row_.fetch_add(1, std::memory_order_relaxed);
    }
    return tell(now, rested) ? std::optional{begun} : std::nullopt;
}

/// Of several threads one tells.
bool CooldownState::tell(TimePoint now, bool rested)
{
    std::int64_t since = 0;
    if (away_since_.compare_exchange_strong(since, count(now), std::memory_order_relaxed))
        since = count(now);
    auto told = told_at_.load(std::memory_order_relaxed);
    if ((rested && told >= since) || count(now) - told < quiet.count())
        return false;
    return told_at_.compare_exchange_strong(told, count(now), std::memory_order_relaxed);
}

std::optional<CooldownState::Away> CooldownState::answered()
{
    // Read first: nearly every call finds zeros, and writing would take the cache line from the other
    // threads.
    if (until_.load(std::memory_order_relaxed) == 0 && away_since_.load(std::memory_order_relaxed) == 0)
        return std::nullopt;
    const auto since = away_since_.exchange(0, std::memory_order_relaxed);
    const auto until = until_.exchange(0);
    if (since == 0)  // it was not away, or another thread's success was first
        return std::nullopt;
    // Another thread's success may have taken the end alone.
    return Away{TimePoint{Duration{since}}, until == 0 ? TimePoint::max() : TimePoint{Duration{until}},
                told_at_.load(std::memory_order_relaxed) >= since};
}

std::optional<CooldownState::Away> CooldownState::succeeded()
{
    if (failures_in_a_row_.load(std::memory_order_relaxed) != 0)
        failures_in_a_row_.store(0, std::memory_order_relaxed);
    if (cooldowns_in_a_row_.load(std::memory_order_relaxed) != 0)
        cooldowns_in_a_row_.store(0, std::memory_order_relaxed);
    return answered();
}

CooldownState::Standing CooldownState::standing(TimePoint now) const
{
    const auto until = until_.load();
    if (until == 0)
        return Standing::up;
    if (count(now) < until)
        return Standing::resting;
    return probing_.load() ? Standing::probing : Standing::due;
}

CooldownState::Admission CooldownState::admit(TimePoint now)
{
    const auto first = standing(now);
    if (first == Standing::up)
        return Admission::free;
    bool probing = false;
    if (first != Standing::due || !probing_.compare_exchange_strong(probing, true))
        return Admission::refused;
    // Another probe may have ended since it was looked at: its verdict stands.
    const auto until = until_.load();
    if (until != 0 && until <= count(now))
        return Admission::probe;
    release();
    return until == 0 ? Admission::free : Admission::refused;
}

CooldownState::TimePoint CooldownState::until() const
{
    return TimePoint{Duration{until_.load(std::memory_order_relaxed)}};
}

void CooldownState::reset()
{
    failures_in_a_row_ = 0;
    cooldowns_in_a_row_ = 0;
    probing_ = false;
    until_ = 0;
    began_ = 0;
    away_since_ = 0;
    told_at_ = 0;
}

}  // namespace route
