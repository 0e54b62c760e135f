#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "notify/message.hpp"

namespace route::notify {

/// What makes failures equal: they are counted together.
struct FailureKind
{
    std::string subject;
    unsigned status = 0;
    std::string reason;  ///< without what is different each time: the ids in what upstreams say

    auto operator<=>(const FailureKind&) const = default;
};

FailureKind kind_of(const Failure& failure);

/// Decides what is told at once and what is counted (SPEC 8): the first failure of a kind opens a window,
/// those that follow within it are counted. Bounded in memory and in what is told at once, whatever comes.
/// Pure: the clock comes in. Not thread-safe.
class FailureWindows
{
  public:
    using Clock = std::chrono::steady_clock;
    using TimePoint = Clock::time_point;

    /// Kinds counted apart at a time; failures of further kinds are counted together.
    static constexpr std::size_t most_kinds = 256;
    /// Messages about single failures within a window's time, which the first of them begins; further kinds
    /// are told together at its end.
    static constexpr std::size_t most_at_once = 10;

    /// A `length` of 0: windows end at once, so that equal failures are told as they come, but for
    /// `most_at_once` a second.
    explicit FailureWindows(Clock::duration length) : length_{length} {}

    enum class Verdict
    {
        open,     ///< the first of its kind: its window is open now, and it may be told
        counted,  ///< told at the end of its window
    };
    Verdict count(const Failure& failure, TimePoint now);

    /// Failures of which nothing but the number is known: told at the end of a window.
    void count_others(std::uint64_t count, TimePoint now);

    /// The window that count() has just opened is one of all routers, of which another told the first: it
    /// ends at `end`, and this failure is counted with what follows.
    void join(const Failure& failure, TimePoint end);

    /// When the first of the windows ends; max() when none is open.
    TimePoint next_end() const;

    struct Ended
    {
        FailureKind kind;
        Failure first;                      ///< that opened it
        std::optional<FailureGroup> group;  ///< what was counted, if anything
    };
    /// The windows that have ended by `now`, with what they counted. They stay open, and count anew, until
    /// renew() or close().
    std::vector<Ended> take_ended(TimePoint now);
    void renew(const FailureKind& kind, TimePoint end);
    /// What was counted since take_ended() is not lost: the window goes on then.
    void close(const FailureKind& kind, TimePoint now);

    /// Failures that were not counted apart, at the end of a window of their own.
    std::uint64_t take_others(TimePoint now);

    Clock::duration length() const { return length_; }
    void set_length(Clock::duration length) { length_ = length; }  ///< of windows that open from now on

  private:
    struct Window
    {
        TimePoint end;
        Failure first;
        std::optional<FailureGroup> group = {};
    };
    static void add(Window& window, const Failure& failure);

    Clock::duration length_;
    std::map<FailureKind, Window> windows_;
    std::uint64_t others_ = 0;
    TimePoint others_end_ = TimePoint::max();
    TimePoint at_once_end_{};  ///< of the time in which `at_once_` were told
    std::size_t at_once_ = 0;
};

}  // namespace route::notify
