#include "core/net/http/client.hpp"

#include <boost/asio/error.hpp>

namespace route::net {

Client::Client(EventLoop& loop, int socket, asio::ip::address the_peer)
    : connection{loop.poller, socket},
      stranger{loop.strangers, connection},
      peer{std::move(the_peer)},
      loop_{loop},
      deadline_{loop.deadlines, *this},
      input_account_{loop.services.buffered}
{
}

bool Client::count_input()
{
    constexpr std::size_t not_counted = 4u << 10;
    if (input.empty() && input.capacity() > not_counted)
        std::string{}.swap(input);
    const auto bytes = input.capacity() > not_counted ? input.capacity() : 0;
    if (bytes == input_account_.held())
        return true;
    if (input_account_.held() == 0)
        input_account_.open(owner_of_address(peer_text()),
                            loop_.buffer_limits(loop_.routing->settings.server));
    input_account_.hold(bytes);
    return input_account_.fits(bytes);
}

void Client::on_expired()
{
    timed_out_ = true;
    if (writing_)
        connection.close();
    else
        connection.cancel_read();
}

void Client::limit_read(TimePoint when)
{
    writing_ = false;
    timed_out_ = false;
    deadline_.expire_at(when);
}

void Client::limit_write(TimePoint when)
{
    writing_ = true;
    timed_out_ = false;
    deadline_.expire_at(when);
}

error_code Client::receive()
{
    if (timed_out_)
        return asio::error::timed_out;
    const auto received = connection.read_some(loop_.scratch.bytes.data(), Scratch::size);
    if (!received.error)
        input.append(loop_.scratch.bytes.data(), received.bytes);
    return received.error;
}

const std::string& Client::peer_text()
{
    if (peer_text_.empty())
        peer_text_ = address_text(peer);
    return peer_text_;
}

/// Takes in what has come. What there is no room for stays in the kernel's buffers; the end behind it is seen
/// all the same. Whether more is to be waited for: not when the client has left.
bool Client::read_ahead()
{
    while (input.size() < most_read_ahead && !over_budget_) {
        const auto received = connection.read_some(loop_.scratch.bytes.data(), Scratch::size);
        if (received.must_wait()) {
            over_budget_ = !count_input();
            return true;
        }
        if (received.error) {
            left_ = true;
            return false;
        }
        input.append(loop_.scratch.bytes.data(), received.bytes);
    }
    left_ = connection.has_ended();
    return !left_;
}

awaitable<void> Client::gone()
{
    over_budget_ = false;
    error_code cancelled;
    while (!cancelled && read_ahead()) {
        auto readable = connection.readable();
        const auto waited = co_await std::move(readable);
        cancelled = std::get<0>(waited);
    }
}

void Client::watch(Connection* upstream)
{
    upstream_ = upstream;
    if (!std::exchange(watched_, true))
        wait_for_more();
}

void Client::wait_for_more()
{
    const bool more = read_ahead();
    if (more)
        connection.async_wait_readable([this](error_code) { wait_for_more(); });
    if (!left_)
        return;
    connection.close();  // a reply that waits for it to read is over, too
    if (upstream_ != nullptr)
        upstream_->cancel_read();
}

void Client::unwatch()
{
    if (std::exchange(watched_, false))
        connection.stop_listening();
    upstream_ = nullptr;
}

void Client::stop()
{
    stopped_ = true;
    connection.close();
}

awaitable<void> Client::linger()
{
    constexpr std::size_t discarded_at_most = 256u << 10;
    connection.shutdown_send();
    limit_read(Clock::now() + std::chrono::seconds{2});
    std::string{}.swap(input);
    count_input();
    for (std::size_t discarded = 0; discarded < discarded_at_most && !timed_out_;) {
        const auto received = connection.read_some(loop_.scratch.bytes.data(), Scratch::size);
        discarded += received.bytes;
        if (received.must_wait()) {
            auto readable = connection.readable();
            co_await std::move(readable);
        } else if (received.error) {
            break;
        }
    }
    no_limit();
    connection.close();
}

}  // namespace route::net
