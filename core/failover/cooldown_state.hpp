// The cooldown of one upstream, or of one model at it (SPEC 5.12): when it rests, and which request probes
// it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace route {

/// What settings say of cooldowns.
struct CooldownRule
{
    using Duration = std::chrono::steady_clock::duration;

    int after = 0;       ///< failures in a row that start one; 0: only a reply that asks for it does
    Duration longest{};  ///< of one that failures start; 0: there are none at all
};

/// A failed try, as far as cooldowns are concerned.
struct FailedTry
{
    std::chrono::steady_clock::time_point started;
    std::optional<std::chrono::steady_clock::duration> asked_wait = {};  ///< what its reply asks for
};

/// A row of cooldowns that no success interrupted. Any thread; no lock. Times are steady_clock's, given by
/// the caller. Each variable stands for itself: between two threads a state may last a moment longer.
class CooldownState
{
  public:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Duration = std::chrono::steady_clock::duration;

    static constexpr Duration longest_asked_wait = std::chrono::minutes{10};

    /// An upstream that answers and refuses by turns is told of once in so long; a longer one is told of when
    /// it ends.
    static constexpr Duration quiet = std::chrono::seconds{1};

    enum class Standing
    {
        up,
        resting,  ///< in cooldown
        due,      ///< it is over: the next request probes
        probing,  ///< a request is at it; the others wait for its verdict
    };

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

    /// A cooldown that is to be told of.
    struct Begun
    {
        int failures = 0;  ///< so many in a row; 0: the reply asked for it
        Duration length{};

        bool operator==(const Begun&) const = default;
    };

    /// The last of `rule.after` failures in a row starts a cooldown, and so does each further one when that
    /// is over: the first of a row of cooldowns lasts a sixth of `rule.longest`, each further one twice the
    /// last. While it lasts, failures do not prolong it, nor do those of tries begun before it when it is
    /// over. A wait that is asked for starts one at once; of two the later end stays. Says what is to be
    /// told.
    std::optional<Begun> failed(TimePoint now, const FailedTry& failure, const CooldownRule& rule);

    /// A reply that the client gets: the cooldown is over, but a reply that breaks is one more failure of the
    /// row. Says when it was away; nothing when it was not. Of answers at once one is told. Plain loads while
    /// all is well.
    std::optional<Away> answered();

    /// A whole reply: answered(), and the row ends.
    std::optional<Away> succeeded();

    Standing standing(TimePoint now) const;
    bool resting(TimePoint now) const { return standing(now) == Standing::resting; }

    enum class Admission
    {
        free,
        probe,    ///< release() is to be called once its verdict is noted
        refused,  ///< it rests, or another request probes
    };
    Admission admit(TimePoint now);
    void release() { probing_.store(false); }

    /// When the cooldown ends; the epoch when there is none.
    TimePoint until() const;

    /// Forgets all.
    void reset();

  private:
    bool count_failure(int threshold);
    bool tell(TimePoint now, bool rested);

    std::atomic<int> failures_in_a_row_{0};
    std::atomic<int> cooldowns_in_a_row_{0};  ///< those that failures started
    std::atomic<bool> probing_{false};
    std::atomic<std::int64_t> until_{0};  ///< 0: up
    std::atomic<std::int64_t> began_{0};
    std::atomic<std::int64_t> away_since_{0};  ///< 0: it is not
    std::atomic<std::int64_t> told_at_{0};     ///< when a start was told last
};

}  // namespace route
