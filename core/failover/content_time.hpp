// How long an upstream takes to its first content.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace route {

/// A moving mean of times. Any thread; never waits.
class MovingMean
{
  public:
    using Clock = std::chrono::steady_clock;

    /// Counts `took`, known at `now`, for an eighth of the mean, for more the longer the last one is ago:
    /// half after half_life.
    void add(Clock::duration took, Clock::time_point now);

    /// It took at least that long: counts where the mean is shorter.
    void add_at_least(Clock::duration took, Clock::time_point now);

    /// None before the first one. Half of what it was for each half_life since the last one: what was slow
    /// and is not asked any more is asked again some day.
    std::optional<Clock::duration> at(Clock::time_point now) const;

    static constexpr std::chrono::seconds half_life{60};

  private:
    struct State
    {
        std::uint32_t mean = 0;      ///< microseconds, at most 71 minutes
        std::uint32_t noted_at = 0;  ///< of the clock, in tenths of a second; 0: nothing yet
    };
    static_assert(std::atomic<State>::is_always_lock_free);

    std::atomic<State> state_{};
};

/// Of an upstream, shared by all threads. It outlives the snapshots that name it. A stream and a reply that
/// comes as a whole have their first content at different times: each kind has a mean of its own.
class ContentTime
{
  public:
    MovingMean& of(bool stream) { return stream ? streams_ : wholes_; }
    const MovingMean& of(bool stream) const { return stream ? streams_ : wholes_; }

    /// What a failure counts for at least.
    static constexpr std::chrono::seconds failed{10};

  private:
    MovingMean streams_;
    MovingMean wholes_;
};

}  // namespace route
