#include "core/net/loop/event_loop.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "core/openai/request_facts.hpp"

namespace route::net {

EventLoop::EventLoop(Services& shared, RoutingTablePtr table)
    // Other threads may post; sockets and timers are touched by the loop's thread only, so the reactor needs
    // no lock for I/O.
    : io{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO},
      services{shared},
      routing{std::move(table)},
      poller{io.get_executor()},
      deadlines{io.get_executor()},
      resolver{io, shared.names},
      pool{deadlines, scratch}
{
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    random_.seed(seed);
}

EventLoop::~EventLoop()
{
    pool.close_all();
}

void EventLoop::spawn(awaitable<void> work, std::function<void(const std::exception_ptr&)> done)
{
    asio::co_spawn(io.get_executor(), std::move(work), std::move(done));
}

void EventLoop::post(std::function<void()> work)
{
    asio::post(io, std::move(work));
}

std::unique_ptr<QueuedRecord> EventLoop::new_record()
{
    if (spares_.empty())
        spares_ = services.sink.spares();
    auto record = spares_.pop();
    return record ? std::move(record) : std::make_unique<QueuedRecord>();
}

BufferLimits EventLoop::buffer_limits(const ServerSettings& server) const
{
    const auto half = server.max_buffered / 2;
    BufferLimits limits;
    limits.all = server.max_buffered - std::min(half, services.sink.held_bytes());
    limits.share =
        std::min(server.max_buffered, std::max(half, server.max_body + max_head_bytes + body_padding));
    return limits;
}

void EventLoop::drain()
{
    for (auto session = sessions.begin(); session != sessions.end();) {
        auto& each = *session++;
        each.drain();
    }
}

void EventLoop::stop()
{
    stopped_ = true;
    for (auto session = sessions.begin(); session != sessions.end();) {
        auto& each = *session++;
        each.stop();
    }
    pool.close_all();
    deadlines.stop();
    poller.stop();
}

}  // namespace route::net
