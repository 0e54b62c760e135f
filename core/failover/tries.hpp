#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/failover/failover_policy.hpp"

namespace route {

/// How often a request is tried (SPEC 5, point 7).
struct TryRules
{
    using Duration = std::chrono::steady_clock::duration;

    int rounds = 1;           ///< through the list of upstreams
    Duration longest_wait{};  ///< before a further try; what needs longer is not waited for
};

/// A try that failed, and what of its surroundings counts for what comes next.
struct TryFailure
{
    using Duration = TryRules::Duration;

    FurtherTry further = FurtherTry::none;
    int retries = 0;                       ///< further tries that this upstream gets in a row
    std::optional<Duration> asked_wait;    ///< what its reply asks for
    Duration time_left = Duration::max();  ///< of `failover.total`
    std::uint64_t random = 0;              ///< uniform
};

/// Which of the upstreams, in their order, is tried next for one request, how often and after what wait.
/// Pure.
class Tries
{
  public:
    using Duration = TryRules::Duration;

    /// The first try is that of the first of `upstreams`, of which there is one at least.
    Tries(std::size_t upstreams, TryRules rules) : upstreams_{upstreams}, rules_{rules} {}

    /// The upstream of the try that is due.
    std::size_t index() const { return index_; }
    /// It was tried just before.
    bool again() const { return further_ > 0; }
    /// It is the last one left to try: what fails for want of time is not tried again.
    bool last_upstream() const { return index_ + 1 == upstreams_; }

    /// The next upstream is tried in place of this one, which did not fail. Not of the last_upstream().
    void skip()
    {
        ++index_;
        further_ = 0;
    }

    /// There are upstreams that were not tried.
    bool untried() const { return round_ == 1 && !last_upstream(); }

    /// After a failure: the wait before the next try, or nothing when there is none.
    std::optional<Duration> next(const TryFailure& failure);

  private:
    std::optional<Duration> wait(std::optional<Duration> asked, int further, const TryFailure& failure) const;

    std::size_t upstreams_;
    TryRules rules_;
    std::size_t index_ = 0;
    int further_ = 0;  ///< tries of this upstream behind its first of the round
    int round_ = 1;
    bool round_may_pass_ = true;          ///< all of its failures
    std::optional<Duration> asked_wait_;  ///< the longest that one of the round asks for
};

}  // namespace route
