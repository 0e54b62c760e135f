#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <optional>

#include "core/failover/hedging.hpp"
#include "core/net/attempt.hpp"

namespace route::net {

/// One of two attempts of a request, as it ended.
struct HedgedEnd
{
    std::optional<AttemptFailure> failure;  ///< none: it may be committed
    TimePoint at{};
};

/// Two attempts of one request: the second begins when the first has taken a while, and who may be committed
/// first wins. Both outlive run(); who has not ended then was cancelled, and destroying it closes its
/// connection.
class Hedge
{
  public:
    /// Makes the second attempt, for a requester of its own; null: there is none to be made.
    using BeginSecond = std::function<std::unique_ptr<Attempt>(Requester&)>;

    /// All outlive it.
    Hedge(EventLoop& loop, Client& client, Attempt& first, Clock::duration after, BeginSecond begin_second);

    /// Until the race is decided. Expects not to be cancelled.
    awaitable<HedgeRace::Verdict> run();

    /// Null: it was not begun.
    std::unique_ptr<Attempt> take_second() { return std::move(second_); }
    /// How they ended; none: not before the other decided the race.
    const std::optional<HedgedEnd>& first_end() const { return first_end_; }
    const std::optional<HedgedEnd>& second_end() const { return second_end_; }

  private:
    /// Whom the second attempt is made for: the first one looks after the client.
    class Nobody final : public Requester
    {
      public:
        explicit Nobody(EventLoop& loop) : timer_{loop.io.get_executor()} {}
        awaitable<void> gone() override;

      private:
        Timer timer_;
    };

    // The alternatives. Each ends when the race is decided, or when cancelled; what is thrown in one ends it,
    // too, and goes to run().
    awaitable<void> lead();
    awaitable<void> follow();
    awaitable<void> guarded(awaitable<void> alternative);
    static HedgedEnd ended(std::optional<AttemptFailure> failure);
    static HedgeRace::End end_of(const HedgedEnd& end);

    Client& client_;
    Attempt& first_;
    Clock::duration after_;
    BeginSecond begin_second_;
    Timer timer_;
    Nobody nobody_;
    std::unique_ptr<Attempt> second_;
    HedgeRace race_;
    std::exception_ptr broken_;
    std::optional<HedgedEnd> first_end_;
    std::optional<HedgedEnd> second_end_;
};

}  // namespace route::net
