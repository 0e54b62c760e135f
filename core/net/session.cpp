#include "core/net/session.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

namespace route::net {

namespace {

RouterError refusal_of(ReadOutcome outcome)
{
    if (outcome == ReadOutcome::timed_out)
        return {408, "request_timeout", "the headers did not arrive in time"};
    if (outcome == ReadOutcome::overloaded)
        return {503, "overloaded",
                "the router holds as much as it may (server.max_buffered); try again shortly"};
    if (outcome == ReadOutcome::too_large)
        return {431, "headers_too_large", "the headers are longer than 64 KiB or more than 256"};
    return {400, "bad_request", "the request is not valid HTTP/1.1"};
}

}  // namespace

Session::Session(EventLoop& loop, int socket, asio::ip::address peer)
    : loop_{loop}, client_{loop, socket, std::move(peer)}
{
    loop_.sessions.push_back(*this);
    loop_.services.open_sessions.fetch_add(1, std::memory_order_relaxed);
}

Session::~Session()
{
    loop_.services.open_sessions.fetch_sub(1, std::memory_order_relaxed);
}

/// What has been sent is served: a new connection's first request is on its way, and an idle one's next one
/// may have come already. Neither is waited for longer than for any head.
void Session::drain()
{
    if (fresh_ || reader_ == nullptr || !reader_->waiting())
        return;
    char first = 0;
    if (client_.connection.peek(first).bytes == 0)
        client_.connection.close();
    else
        client_.limit_read(Clock::now() + ticks(loop_.routing->settings.server.header_timeout));
}

void Session::stop()
{
    client_.stop();
}

/// TLS, within the time a client has for its headers. False when there is nothing to serve.
awaitable<bool> Session::start_tls(std::shared_ptr<const TlsServer> tls)
{
    client_.limit_write(Clock::now() + ticks(loop_.routing->settings.server.header_timeout));
    auto& connection = client_.connection;
    char first = 0;
    auto peeked = connection.peek(first);
    while (peeked.must_wait()) {
        auto readable = connection.readable();
        co_await std::move(readable);
        peeked = connection.peek(first);
    }
    // A method's name begins with a letter, a TLS record never does (RFC 9110 9.1, 8446 5.1).
    const bool plain_http = (first >= 'A' && first <= 'Z') || (first >= 'a' && first <= 'z');
    bool serves = false;
    if (!peeked.error && !plain_http) {
        const auto error = co_await shake_hands_with(*tls);
        if (error)
            spdlog::debug("TLS handshake with {} failed: {}", client_.peer_text(), error.message());
        serves = !error;
    }
    client_.no_limit();
    if (!peeked.error && plain_http)
        co_await refuse_plain_http();
    co_return serves;
}

awaitable<error_code> Session::shake_hands_with(const TlsServer& tls)
{
    auto* ssl = tls.session();
    if (ssl == nullptr)
        co_return asio::error::no_memory;
    client_.connection.start_tls(ssl);
    const auto error = co_await shake_hands(client_.connection);
    co_return error;
}

/// It is answered in the language it speaks.
awaitable<void> Session::refuse_plain_http()
{
    Request unread;
    unread.started = Clock::now();
    Exchange exchange{loop_, client_, unread, known_};
    RouterError refusal{400, "bad_request", "this port serves HTTPS: the URL should begin with https://"};
    co_await exchange.refuse(std::move(refusal));
}

awaitable<void> Session::run()
{
    constexpr unsigned requests_in_a_row = 16;
    unsigned served = 0;
    bool again = true;
    if (loop_.routing->tls_server)
        again = co_await start_tls(loop_.routing->tls_server);
    while (again && client_.connection.is_open()) {
        Request request;
        const auto& server = loop_.routing->settings.server;
        HeadReader reader{client_, request, {server.header_timeout, server.keep_alive}, fresh_};
        reader_ = &reader;
        auto outcome = reader.step();
        while (!outcome) {
            auto readable = client_.connection.readable();
            co_await std::move(readable);
            outcome = reader.step();
        }
        reader_ = nullptr;
        fresh_ = false;
        if (*outcome == ReadOutcome::closed || *outcome == ReadOutcome::idle)
            break;
        Exchange exchange{loop_, client_, request, known_};
        if (*outcome == ReadOutcome::whole) {
            client_.stranger.move_to_end();
            co_await exchange.run();
        } else {
            auto refusal = refusal_of(*outcome);
            co_await exchange.refuse(std::move(refusal));
        }
        again = exchange.keep_alive() && !loop_.draining();
        // Requests that came together may all be answered without a wait: others want their turn.
        if (++served % requests_in_a_row == 0 && !client_.input.empty()) {
            auto turn = asio::post(loop_.io.get_executor(), asio::deferred);
            co_await std::move(turn);
        }
    }
    client_.connection.close();
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
