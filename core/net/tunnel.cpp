#include "core/net/tunnel.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ssl/error.hpp>

namespace route::net {

Tunnel::Tunnel(EventLoop& loop, Connection& client, Connection& upstream, TunnelReader* reader, Seconds idle)
    : loop_{loop},
      reader_{reader},
      client_{client, By::client, &TunnelReader::read_client},
      upstream_{upstream, By::upstream, &TunnelReader::read_upstream},
      idle_{ticks(idle)},
      silence_{loop.deadlines, *this}
{
}

awaitable<TunnelEnd> Tunnel::run(std::string from_client, std::string from_upstream)
{
    using namespace asio::experimental::awaitable_operators;
    note_progress();
    auto to_upstream = pass(client_, upstream_, std::move(from_client));
    auto to_client = pass(upstream_, client_, std::move(from_upstream));
    auto both = std::move(to_upstream) && std::move(to_client);
    co_await std::move(both);
    silence_.cancel();
    TunnelEnd end;
    end.by = broken_.value_or(By::both);
    end.client_first = client_first_;
    end.error = error_;
    end.client_bytes = client_.received;
    end.upstream_bytes = upstream_.received;
    co_return end;
}

void Tunnel::take_in(Side& from, std::string_view bytes)
{
    from.received += bytes.size();
    if (reader_ != nullptr && (reader_->*from.read)(bytes))
        from.connection.end_turn();
}

/// One direction. Throws nothing: the other one goes on with this object until it has ended, too.
awaitable<void> Tunnel::pass(Side& from, Side& to, std::string received)
{
    try {
        bool written = true;
        if (!received.empty()) {
            take_in(from, received);
            written = co_await write(to, std::move(received));
        }
        if (written)
            co_await pass_on(from, to);
    } catch (...) {
        break_off(from.broken, asio::error::no_memory);
    }
}

awaitable<void> Tunnel::pass_on(Side& from, Side& to)
{
    auto* scratch = loop_.scratch.bytes.data();
    for (;;) {
        if (reader_ != nullptr && reader_->needs_room()) {
            auto room = reader_->wait_for_room();
            co_await std::move(room);
        }
        const auto received = from.connection.read_some(scratch, Scratch::size);
        if (received.must_wait()) {
            auto readable = from.connection.readable();
            co_await std::move(readable);
            continue;
        }
        // Without TLS's goodbye is how many leave: WebSocket has a close of its own.
        if (received.error == asio::error::eof || received.error == asio::ssl::error::stream_truncated) {
            note_end(from);
            to.connection.shutdown_send();
            co_return;
        }
        if (received.error) {
            break_off(to.ended ? By::both : from.broken, received.error);
            co_return;
        }
        take_in(from, {scratch, received.bytes});
        note_progress();
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
    auto whole = part(bytes);
    std::span<iovec> rest{&whole, 1};
    while (!rest.empty()) {
        const auto written = to.connection.write_some(rest);
        to.not_taking = written.must_wait();
        if (to.not_taking) {
            auto writable = to.connection.writable();
            co_await std::move(writable);
            continue;
        }
        if (written.error) {
            break_off(to.ended ? By::both : to.broken, written.error);
            co_return false;
        }
        note_progress();
        rest = consume(rest, written.bytes);
    }
    co_return true;
}

void Tunnel::note_progress()
{
    if (!client_.ended && !upstream_.ended)
        silence_.expire_at(Clock::now() + idle_);
}

void Tunnel::note_end(Side& side)
{
    if (!client_.ended && !upstream_.ended)
        silence_.expire_at(Clock::now() + std::min<Clock::duration>(idle_, parting));
    client_first_ = client_first_ || (&side == &client_ && !upstream_.ended);
    side.ended = true;
}

/// Both directions end; only the first reason counts.
void Tunnel::break_off(By by, error_code error)
{
    if (!broken_) {
        broken_ = by;
        error_ = error;
    }
    client_.connection.abandon();
    upstream_.connection.abandon();
}

void Tunnel::on_expired()
{
    auto by = upstream_.ended || client_.ended ? By::both : By::silence;
    if (client_.not_taking)
        by = By::client;
    else if (upstream_.not_taking)
        by = By::upstream;
    break_off(by, asio::error::timed_out);
}

}  // namespace route::net
