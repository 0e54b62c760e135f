#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>

#include "core/net/loop/event_loop.hpp"
#include "core/net/waiting/insist.hpp"
#include "core/net/waiting/wakeup.hpp"

namespace route::net {

/// What `work` gives, done on a thread of `pool`; the loop goes on meanwhile, and does not end before that.
/// Throws on the loop what `work` throws. What `work` refers to outlives it: nothing ends the wait early, not
/// even that it is cancelled.
template <class Value>
awaitable<Value> run_off_loop(asio::thread_pool& pool, EventLoop& loop, std::function<Value()> work)
{
    Wakeup finished;
    bool done = false;
    std::optional<Value> value;
    std::exception_ptr failure;
    const auto loop_stays = asio::make_work_guard(loop.io);
    std::function<void()> resume = [&finished, &done] {
        done = true;
        finished.notify();
    };
    std::function<void()> task = [&] {
        try {
            value.emplace(work());
        } catch (...) {
            failure = std::current_exception();
        }
        insist([&] { loop.post(resume); });
    };
    // Cancelled as well it waits: what the work refers to is this frame's.
    const bool throws = co_await asio::this_coro::throw_if_cancelled();
    co_await asio::this_coro::throw_if_cancelled(false);
    asio::post(pool, std::move(task));
    while (!done) {
        auto wait = finished.wait();
        co_await std::move(wait);
    }
    co_await asio::this_coro::throw_if_cancelled(throws);
    if (failure)
        std::rethrow_exception(failure);
    co_return *std::move(value);
}

/// The same, for something that may take too long: nothing when it is not there by `deadline`, or throws.
/// `work` is done all the same, so it owns what it uses; nobody waits for it then, but `pool` is joined
/// before the loop is destroyed.
template <class Value>
awaitable<std::optional<Value>> run_off_loop_until(asio::thread_pool& pool, EventLoop& loop,
                                                   TimePoint deadline, std::function<Value()> work)
{
    struct State
    {
        Timer* timer = nullptr;  ///< of who waits, on the loop; null: nobody does
        WorkGuard loop_stays;
        bool done = false;                ///< known on the loop
        std::optional<Value> value = {};  ///< of the pool's thread until then
    };
    struct Waiting
    {
        std::shared_ptr<State> state;
        ~Waiting()
        {
            state->timer = nullptr;
            state->loop_stays.reset();
        }
    };
    Timer timer{loop.io.get_executor()};
    const auto state = std::make_shared<State>(State{&timer, asio::make_work_guard(loop.io)});
    const Waiting waiting{state};
    // All that takes memory is made here: there is nobody to be told of the lack of it on the pool's thread.
    std::function<void()> resume = [state] {
        state->done = true;
        if (state->timer != nullptr)
            state->timer->cancel();
    };
    std::function<void()> task = [state, &loop, resume = std::move(resume), asked = std::move(work)] {
        try {
            state->value.emplace(asked());
        } catch (...) {
            state->value.reset();
        }
        insist([&] { loop.post(resume); });
    };
    asio::post(pool, std::move(task));
    while (!state->done && Clock::now() < deadline) {
        timer.expires_at(deadline);
        auto wait = timer.async_wait(no_throw);
        co_await std::move(wait);
    }
    std::optional<Value> value;
    if (state->done)
        value = std::move(state->value);
    co_return value;
}

}  // namespace route::net
