#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "core/record.hpp"

namespace route {

/// What started a cooldown, for those who tell of it.
struct CooldownStart
{
    std::string upstream;                             ///< its name
    int failures = 0;                                 ///< so many in a row; 0: a Retry-After
    AttemptOutcome outcome = AttemptOutcome::status;  ///< of the last attempt
    std::optional<unsigned> status = {};
    std::string error = {};  ///< of the last attempt, without keys
    std::chrono::duration<double> length{};
};

/// An upstream that answers again.
struct CooldownEnd
{
    std::string upstream;           ///< its name
    std::chrono::seconds length{};  ///< in cooldown
    std::chrono::seconds ago{};     ///< from its start to now: longer, when it was not asked at once
};

/// The cooldown of one upstream (SPEC: "tried last for a while"). Any thread; no lock. Times are
/// steady_clock's, given by the caller.
class Cooldown
{
  public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Duration = std::chrono::steady_clock::duration;

    static constexpr Duration longest_retry_after = std::chrono::minutes{10};

    /// An upstream that answers and refuses by turns is told of once in so long; a longer one is told of when
    /// it ends.
    static constexpr Duration quiet = std::chrono::seconds{1};

    /// Cooldowns that no success interrupted.
    struct Away
    {
        TimePoint since;    ///< start of the first
        TimePoint until;    ///< end of the last
        bool told = false;  ///< that it started

        /// Who was in none any more, and was not asked, is not away.
        Duration length(TimePoint now) const { return std::min(now, until) - since; }

        bool operator==(const Away&) const = default;
    };

    /// A success ends the cooldown and the run of failures. Says when the upstream was away; nothing when it
    /// was not. Of successes at once one is told. Plain loads while all is well.
    std::optional<Away> succeeded();

    /// The `threshold`th failure in a row starts a cooldown of `length` (0 of either: never). True when that
    /// is to be told: this call started one, and it is not `quiet`.
    bool failed(TimePoint now, int threshold, Duration length);

    /// A `Retry-After` starts one at once, for `wait` but `longest_retry_after` at most; of two the later end
    /// stays. True as of failed().
    bool retry_after(TimePoint now, Duration wait);

    bool active(TimePoint now) const;

    /// When the cooldown ends; the epoch when there never was one.
    TimePoint until() const;

  private:
    bool rest_until(TimePoint now, TimePoint end);

    std::atomic<int> failures_in_a_row_{0};
    std::atomic<std::int64_t> until_{0};
    std::atomic<std::int64_t> away_since_{0};  ///< 0: it is not
    std::atomic<std::int64_t> told_at_{0};     ///< when a start was told last
};

}  // namespace route
