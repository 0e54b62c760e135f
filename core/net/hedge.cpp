#include "core/net/hedge.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <utility>

namespace route::net {

namespace {

/// Whether the coroutine that asks has lost the race.
bool has_lost(const asio::cancellation_state& state)
{
    return state.cancelled() != asio::cancellation_type::none;
}

}  // namespace

Hedge::Hedge(EventLoop& loop, Client& client, Attempt& first, Clock::duration after, const Rules& rules)
    : client_{client},
      first_{first},
      after_{after},
      rules_{rules},
      timer_{loop.io.get_executor()},
      nobody_{loop}
{
}

awaitable<HedgeRace::Verdict> Hedge::run()
{
    using namespace asio::experimental::awaitable_operators;
    auto first = guarded(lead());
    auto second = guarded(follow());  // after a while
    auto race = std::move(first) || std::move(second);
    co_await std::move(race);
    if (broken_)
        std::rethrow_exception(broken_);
    co_return race_.verdict();
}

awaitable<void> Hedge::guarded(awaitable<void> alternative)
{
    try {
        co_await std::move(alternative);
    } catch (...) {
        if (!decided() && !broken_)
            broken_ = std::current_exception();
    }
}

awaitable<void> Hedge::lead()
{
    auto running = first_.run();
    auto failure = co_await std::move(running);
    const auto state = co_await asio::this_coro::cancellation_state;
    if (has_lost(state))
        co_return;
    first_failure_ = std::move(failure);
    first_ended_last_ = race_.second.has_value();
    race_.first = note_end(first_, first_failure_);
    if (decided())
        co_return;
    auto gone = client_.gone();  // the second goes on, and does not look after the client
    co_await std::move(gone);
    const auto then = co_await asio::this_coro::cancellation_state;
    if (!has_lost(then))
        race_.first = HedgeRace::End::client_left;
}

awaitable<void> Hedge::follow()
{
    timer_.expires_after(after_);
    auto waiting = timer_.async_wait(no_throw);
    co_await std::move(waiting);
    auto state = co_await asio::this_coro::cancellation_state;
    if (has_lost(state))
        co_return;
    if (!first_.brought_content()) {
        second_ = rules_.begin_second(nobody_);
        race_.second_begun = true;
        auto running = second_->run();
        auto failure = co_await std::move(running);
        state = co_await asio::this_coro::cancellation_state;
        if (has_lost(state))
            co_return;
        second_failure_ = std::move(failure);
        race_.second = note_end(*second_, second_failure_);
        if (decided())
            co_return;
    }
    auto until_decided = nobody_.gone();
    co_await std::move(until_decided);
}

HedgeRace::End Hedge::note_end(Attempt& attempt, const std::optional<AttemptFailure>& failure)
{
    if (!failure || rules_.is_last_word(attempt, *failure))
        return HedgeRace::End::ready;
    if (failure->cause == Cause::client_gone)
        return HedgeRace::End::client_left;
    rules_.on_failed(attempt, *failure);
    return HedgeRace::End::failed;
}

}  // namespace route::net
