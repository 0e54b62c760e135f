#include "tests/support/fake_peer.hpp"

#include <utility>

#include "tests/support/asio.hpp"

namespace route::test {

namespace {

void note_end(FakePeer& peer, const error_code& error)
{
    peer.ended = true;
    peer.closed_by_peer = !peer.closed_here && error != asio::error::operation_aborted;
    peer.notify();
}

asio::awaitable<bool> write_bytes(FakePeerPtr peer, std::string_view bytes)
{
    while (!bytes.empty()) {
        const auto buffer = asio::buffer(bytes);
        const auto [error, size] = co_await peer->socket.async_write_some(buffer, to_tuple);
        peer->sent += size;
        bytes.remove_prefix(size);
        if (error) {
            co_return false;
        }
    }
    co_return true;
}

asio::awaitable<bool> write_output(FakePeerPtr peer)
{
    const std::string output = peer->tls->take_output();
    co_return co_await write_bytes(peer, output);
}

}  // namespace

FakePeer::FakePeer(asio::ip::tcp::socket connected, std::size_t index)
    : socket{std::move(connected)}, changed{socket.get_executor()}, number{index}
{
    changed.expires_at(asio::steady_timer::time_point::max());
}

asio::awaitable<bool> shake_hands(FakePeerPtr peer)
{
    bool open = true;
    while (open && !peer->tls->established() && !peer->tls->failed()) {
        open = co_await read_once(peer, 16 << 10);
    }
    co_return open && peer->tls->established();
}

asio::awaitable<bool> read_once(FakePeerPtr peer, std::size_t limit)
{
    std::string piece(limit, '\0');
    const auto buffer = asio::buffer(piece);
    const auto [error, size] = co_await peer->socket.async_read_some(buffer, to_tuple);
    piece.resize(size);
    if (peer->tls) {
        peer->received += peer->tls->receive(piece);
        co_await write_output(peer);
    } else {
        peer->received += piece;
    }
    if (error) {
        note_end(*peer, error);
        co_return false;
    }
    peer->notify();
    co_return true;
}

asio::awaitable<void> read_on(FakePeerPtr peer)
{
    bool open = true;
    while (open) {
        open = co_await read_once(peer, 64 << 10);
    }
}

asio::awaitable<bool> write(FakePeerPtr peer, std::string_view text)
{
    if (!peer->tls) {
        co_return co_await write_bytes(peer, text);
    }
    peer->tls->send(text);
    co_return co_await write_output(peer);
}

asio::awaitable<bool> write_ticket(FakePeerPtr peer)
{
    peer->tls->send_ticket();
    co_return co_await write_output(peer);
}

asio::awaitable<void> next_change(FakePeerPtr peer)
{
    co_await peer->changed.async_wait(to_tuple);
}

asio::awaitable<void> say_goodbye(FakePeerPtr peer)
{
    if (peer->tls) {
        peer->tls->say_goodbye();
        co_await write_output(peer);
    }
}

void close(FakePeer& peer, bool reset)
{
    error_code ignored;
    if (reset) {
        peer.socket.set_option(asio::socket_base::linger{true, 0}, ignored);
    }
    peer.closed_here = true;
    peer.socket.close(ignored);
    peer.notify();
}

void half_close(FakePeer& peer)
{
    error_code ignored;
    peer.socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

}  // namespace route::test
