#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace route::test {

/// Lets everything else on the event loop that is ready have its turn, sockets included: the reactor is asked
/// once a turn.
inline boost::asio::awaitable<void> let_others_run(int turns = 4)
{
    const auto executor = co_await boost::asio::this_coro::executor;
    for (int turn = 0; turn < turns; ++turn) {
        co_await boost::asio::post(executor, boost::asio::use_awaitable);
    }
}

}  // namespace route::test
