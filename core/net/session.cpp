#include "core/net/session.hpp"

#include <spdlog/spdlog.h>

namespace route::net {

Session::Session(EventLoop& loop, int socket, asio::ip::address peer)
    : loop_{loop}, client_{loop, socket, std::move(peer)}, timers_{loop.deadlines}
{
    loop_.sessions.push_back(*this);
    loop_.services.open_sessions.fetch_add(1, std::memory_order_relaxed);
}

Session::~Session()
{
    loop_.services.open_sessions.fetch_sub(1, std::memory_order_relaxed);
}

void Session::drain()
{
    if (exchange_ == nullptr && waiting_)
        client_.connection.close();
}

void Session::stop()
{
    client_.connection.close();
    if (exchange_ != nullptr)
        exchange_->stop();
}

awaitable<void> Session::run()
{
    bool first = true;
    bool again = true;
    while (again && client_.connection.is_open()) {
        again = co_await serve_one(first);
        first = false;
    }
    client_.connection.close();
}

awaitable<bool> Session::serve_one(bool first)
{
    Request request;
    const auto table = loop_.routing;
    const auto outcome =
        co_await read_request_head(client_, request, table->settings.server, first, waiting_);
    if (outcome == ReadOutcome::closed || outcome == ReadOutcome::idle)
        co_return false;
    waiting_ = false;
    Exchange exchange{loop_, client_, request, timers_, known_};
    exchange_ = &exchange;
    if (outcome == ReadOutcome::whole) {
        co_await exchange.run();
    } else {
        RouterError error{400, "bad_request", "the request is not valid HTTP/1.1"};
        if (outcome == ReadOutcome::timed_out)
            error = RouterError{408, "request_timeout", "the headers did not arrive in time"};
        else if (outcome == ReadOutcome::too_large)
            error =
                RouterError{431, "headers_too_large", "the headers are longer than 64 KiB or more than 256"};
        co_await exchange.refuse(std::move(error));
    }
    exchange_ = nullptr;
    waiting_ = true;
    co_return exchange.keep_alive() && !loop_.draining;
}

awaitable<void> run_session(std::unique_ptr<Session> session)
{
    try {
        co_await session->run();
    } catch (const std::exception& error) {
        // Expected failures are values: this is a broken invariant, or memory has run out. The connection
        // closes, the router goes on.
        spdlog::error("a session ended unexpectedly: {}", error.what());
    }
}

}  // namespace route::net
