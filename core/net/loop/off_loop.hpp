#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <exception>
#include <functional>
#include <optional>

#include "core/net/loop/event_loop.hpp"
#include "core/net/waiting/insist.hpp"
#include "core/net/waiting/wakeup.hpp"

namespace route::net {

/// What `work` gives, done on a thread of `pool`; the loop goes on meanwhile, and does not end before that.
/// Throws on the loop what `work` throws. What `work` refers to outlives it: nothing ends the wait early.
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
    asio::post(pool, std::move(task));
    while (!done) {
        auto wait = finished.wait();
        co_await std::move(wait);
    }
    if (failure)
        std::rethrow_exception(failure);
    co_return *std::move(value);
}

}  // namespace route::net
