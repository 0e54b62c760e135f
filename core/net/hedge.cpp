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

Hedge::Hedge(EventLoop& loop, Client& client, Attempt& first, Clock::duration after, BeginSecond begin_second)
    : client_{client},
      first_{first},
      after_{after},
      begin_second_{std::move(begin_second)},
      timer_{loop.io.get_executor()},
      nobody_{loop}
{
}

awaitable<void> Hedge::Nobody::gone()
{
    timer_.expires_at(TimePoint::max());
    auto waiting = timer_.async_wait(no_throw);
    co_await std::move(waiting);
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
        const bool decided = race_.verdict() != HedgeRace::Verdict::open;
        if (!decided && !broken_)
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
    first_end_ = ended(std::move(failure));
    race_.first = end_of(*first_end_);
    if (race_.verdict() != HedgeRace::Verdict::open)
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
    second_ = begin_second_(nobody_);
    race_.second_begun = second_ != nullptr;
    if (second_) {
        auto running = second_->run();
        auto failure = co_await std::move(running);
        state = co_await asio::this_coro::cancellation_state;
        if (has_lost(state))
            co_return;
        second_end_ = ended(std::move(failure));
        race_.second = end_of(*second_end_);
        if (race_.verdict() != HedgeRace::Verdict::open)
            co_return;
    }
    auto until_decided = nobody_.gone();
    co_await std::move(until_decided);
}

HedgedEnd Hedge::ended(std::optional<AttemptFailure> failure)
{
    return {std::move(failure), Clock::now()};
}

HedgeRace::End Hedge::end_of(const HedgedEnd& end)
{
    if (!end.failure)
        return HedgeRace::End::ready;
    return end.failure->cause == Cause::client_gone ? HedgeRace::End::client_left : HedgeRace::End::failed;
}

}  // namespace route::net
