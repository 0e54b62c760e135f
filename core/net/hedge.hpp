#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>

#include "core/failover/hedging.hpp"
#include "core/net/attempt.hpp"
#include "core/net/nobody.hpp"

namespace route::net {

/// Two attempts of one request: the second begins when the first has brought no content for a while, and who
/// may be committed first wins, or has the last word. Both outlive run(); one that has not ended then was
/// cancelled, and destroying it closes its connection.
class Hedge
{
  public:
    struct Rules
    {
        /// Makes the second attempt, for a requester of its own.
        std::function<std::unique_ptr<Attempt>(Requester&)> begin_second;
        /// A failure that is the client's to hear decides the race.
        std::function<bool(const Attempt&, const AttemptFailure&)> is_last_word;
        /// One has failed, and that does not.
        std::function<void(Attempt&, const AttemptFailure&)> on_failed;
    };

    /// All outlive it.
    Hedge(EventLoop& loop, Client& client, Attempt& first, Clock::duration after, const Rules& rules);

    /// Until the race is decided. Expects not to be cancelled.
    awaitable<HedgeRace::Verdict> run();

    /// Null: it was not begun.
    std::unique_ptr<Attempt> take_second() { return std::move(second_); }
    /// How they failed; none: they did not, or not before the other decided the race.
    const std::optional<AttemptFailure>& first_failure() const { return first_failure_; }
    const std::optional<AttemptFailure>& second_failure() const { return second_failure_; }
    /// Of two that have failed.
    bool first_ended_last() const { return first_ended_last_; }

  private:
    // The alternatives. Each ends when the race is decided, or when cancelled; what is thrown in one ends it,
    // too, and goes to run().
    awaitable<void> lead();
    awaitable<void> follow();
    awaitable<void> guarded(awaitable<void> alternative);
    HedgeRace::End note_end(Attempt& attempt, const std::optional<AttemptFailure>& failure);
    bool decided() const { return race_.verdict() != HedgeRace::Verdict::open; }

    Client& client_;
    Attempt& first_;
    Clock::duration after_;
    const Rules& rules_;
    Timer timer_;
    Nobody nobody_;  ///< the first one looks after the client
    std::unique_ptr<Attempt> second_;
    HedgeRace race_;
    std::exception_ptr broken_;
    std::optional<AttemptFailure> first_failure_;
    std::optional<AttemptFailure> second_failure_;
    bool first_ended_last_ = false;
};

}  // namespace route::net
