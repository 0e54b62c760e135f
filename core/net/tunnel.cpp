#include "core/net/tunnel.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>

namespace route::net {

Tunnel::Tunnel(EventLoop& loop, Connection& client, Connection& upstream, Seconds idle)
    : loop_{loop},
      client_{client, End::client},
      upstream_{upstream, End::upstream},
      idle_{std::chrono::duration_cast<Clock::duration>(idle)},
      silence_{loop.deadlines, &on_silence, this}
{
}

awaitable<void> Tunnel::run(std::string from_client, std::string from_upstream)
{
    silence_.expire_at(Clock::now() + idle_);
    auto other = pass(upstream_, client_, std::move(from_upstream));
    asio::co_spawn(loop_.io.get_executor(), std::move(other), [this](const std::exception_ptr&) {
        other_done_ = true;
        other_.notify();
    });
    co_await pass(client_, upstream_, std::move(from_client));
    if (!other_done_) {
        auto done = other_.wait();
        co_await std::move(done);
    }
    silence_.cancel();
}

/// One direction. Throws nothing: the other one goes on with this object until it has ended, too.
awaitable<void> Tunnel::pass(Side& from, Side& to, std::string received)
{
    try {
        bool written = true;
        if (!received.empty()) {
            note_bytes(from, received.size());
            written = co_await write(to, std::move(received));
        }
        if (written)
            co_await pass_on(from, to);
    } catch (const std::exception&) {
        break_off(from.broken, asio::error::no_memory);
    }
}

awaitable<void> Tunnel::pass_on(Side& from, Side& to)
{
    auto* scratch = loop_.scratch.bytes.data();
    for (;;) {
        const auto received = from.connection.read_some(scratch, Scratch::size);
        if (received.must_wait()) {
            auto readable = from.connection.readable();
            co_await std::move(readable);
            continue;
        }
        // Clients leave TLS without a goodbye, and so does who has nobody to say it to; an upstream that does
        // so in the middle was cut off.
        const bool left =
            received.error == asio::ssl::error::stream_truncated && (&from == &client_ || to.ended);
        if (received.error == asio::error::eof || left) {
            from.ended = true;
            to.connection.shutdown_send();
            co_return;
        }
        if (received.error) {
            break_off(from.broken, received.error);
            co_return;
        }
        note_bytes(from, received.bytes);
        auto bytes = part({scratch, received.bytes});
        std::span<iovec> parts{&bytes, 1};
        const auto sent = to.connection.write_some(parts);
        if (!sent.error && sent.bytes == received.bytes)
            continue;
        // It takes its time: the rest is copied before others use the scratch.
        std::string rest{scratch + sent.bytes, received.bytes - sent.bytes};
        const bool written = co_await write(to, std::move(rest));
        if (!written)
            co_return;
    }
}

awaitable<bool> Tunnel::write(Side& to, std::string bytes)
{
    auto rest = part(bytes);
    const std::span<iovec> parts{&rest, 1};
    const auto error = co_await write_all(to.connection, parts);
    if (error)
        break_off(to.ended ? End::both : to.broken, error);
    co_return !error;
}

/// Both directions end; only the first reason counts.
void Tunnel::break_off(End end, error_code error)
{
    if (!end_) {
        end_ = end;
        error_ = error;
    }
    client_.connection.abandon();
    upstream_.connection.abandon();
}

void Tunnel::on_silence(void* target)
{
    static_cast<Tunnel*>(target)->break_off(End::silence, asio::error::timed_out);
}

void Tunnel::note_bytes(Side& from, std::size_t count)
{
    from.received += count;
    silence_.expire_at(Clock::now() + idle_);
}

}  // namespace route::net
