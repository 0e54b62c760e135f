#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace route {

/// The cooldown of one upstream (SPEC: "tried last for a while"). Any thread; no lock. Times are
/// steady_clock's, given by the caller.
class Cooldown
{
  public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Duration = std::chrono::steady_clock::duration;

    static constexpr Duration longest_retry_after = std::chrono::minutes{10};

    /// A success ends the cooldown and the run of failures.
    void succeeded();

    /// The `threshold`th failure in a row starts a cooldown of `length` (0 of either: never). True when this
    /// call started one.
    bool failed(TimePoint now, int threshold, Duration length);

    /// A `Retry-After` starts one at once, for `wait` but `longest_retry_after` at most; of two the later end
    /// stays.
    void retry_after(TimePoint now, Duration wait);

    bool active(TimePoint now) const;

    /// When the cooldown ends; the epoch when there never was one.
    TimePoint until() const;

  private:
    std::atomic<int> failures_in_a_row_{0};
    std::atomic<std::int64_t> until_{0};
};

}  // namespace route
