#include "core/failover/tries.hpp"

#include <algorithm>

namespace route {
namespace {

using Duration = TryRules::Duration;

/// The longest wait before the first further try where nothing is asked for; doubled for each one after it.
constexpr Duration first_wait = std::chrono::milliseconds{250};

Duration random_wait(int further, Duration longest, std::uint64_t random)
{
    constexpr int most_doublings = 20;
    const auto most = std::min(longest, first_wait * (1 << std::min(further, most_doublings)));
    return most.count() > 0
               ? Duration{static_cast<Duration::rep>(random % static_cast<std::uint64_t>(most.count() + 1))}
               : Duration{};
}

}  // namespace

/// `further`: waits of this kind before it. Nothing when it takes too long.
std::optional<Duration> Tries::wait(std::optional<Duration> asked, int further,
                                    const TryFailure& failure) const
{
    if (asked && *asked > rules_.longest_wait)
        return std::nullopt;
    const auto chosen = asked ? *asked : random_wait(further, rules_.longest_wait, failure.random);
    if (chosen >= failure.time_left)
        return std::nullopt;
    return chosen;
}

std::optional<Duration> Tries::next(const TryFailure& failure)
{
    round_may_pass_ = round_may_pass_ && failure.further != FurtherTry::none;
    if (failure.asked_wait && failure.asked_wait->count() > 0)  // 0 asks for nothing
        asked_wait_ = std::max(*failure.asked_wait, asked_wait_.value_or(Duration{}));
    if (failure.time_left <= Duration{})
        return std::nullopt;
    if (failure.further == FurtherTry::at_once && further_ < failure.retries)
        if (const auto pause = wait(failure.asked_wait, further_, failure)) {
            ++further_;
            return pause;
        }
    further_ = 0;
    if (!last_upstream()) {
        ++index_;
        return Duration{};
    }
    if (round_ >= rules_.rounds || !round_may_pass_)
        return std::nullopt;
    const auto pause = wait(asked_wait_, round_ - 1, failure);
    if (pause) {
        ++round_;
        index_ = 0;
        asked_wait_.reset();
    }
    return pause;
}

}  // namespace route
