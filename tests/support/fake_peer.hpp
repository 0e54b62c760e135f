#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tests/support/tls_server.hpp"

namespace route::test {

/// A connection of a fake upstream, plain or TLS: what came on it, and how it ended.
struct FakePeer
{
    FakePeer(boost::asio::ip::tcp::socket connected, std::size_t index);

    void notify() { changed.cancel(); }

    boost::asio::ip::tcp::socket socket;
    boost::asio::steady_timer changed;  // never expires: cancelling it wakes those that wait for a change
    std::unique_ptr<TlsSession> tls;    // null: plain
    std::size_t number;
    std::string received;  // inside TLS, if there is any
    std::uint64_t sent = 0;
    std::size_t parsed = 0;
    std::size_t request_begin = 0;
    std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser;
    bool reading = false;
    bool ended = false;
    bool closed_here = false;
    bool closed_by_peer = false;
};
using FakePeerPtr = std::shared_ptr<FakePeer>;

/// Those that give a bool: false when the connection ended.
boost::asio::awaitable<bool> shake_hands(FakePeerPtr peer);
boost::asio::awaitable<bool> read_once(FakePeerPtr peer, std::size_t limit);
boost::asio::awaitable<void> read_on(FakePeerPtr peer);
boost::asio::awaitable<bool> write(FakePeerPtr peer, std::string_view text);
boost::asio::awaitable<bool> write_ticket(FakePeerPtr peer);
boost::asio::awaitable<void> next_change(FakePeerPtr peer);

/// Inside TLS, the end of what we say.
boost::asio::awaitable<void> say_goodbye(FakePeerPtr peer);

/// Without saying goodbye.
void close(FakePeer& peer, bool reset);
void half_close(FakePeer& peer);

}  // namespace route::test
