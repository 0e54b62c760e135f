#include "core/net/client.hpp"

#include <boost/asio/error.hpp>

namespace route::net {

Client::Client(EventLoop& loop, int socket, asio::ip::address the_peer)
    : connection{loop.poller, socket},
      stranger{loop.strangers, connection},
      peer{std::move(the_peer)},
      loop_{loop},
      deadline_{loop.deadlines, &on_deadline, this},
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

void Client::on_deadline(void* target)
{
    auto& client = *static_cast<Client*>(target);
    client.timed_out_ = true;
    if (client.writing_)
        client.connection.close();
    else
        client.connection.wake_reader();
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

void Client::watch(void (*on_gone)(void*), void* target)
{
    on_gone_ = on_gone;
    gone_target_ = target;
    if (connection.is_readable())
        on_readable(this);
    else if (input.size() < most_read_ahead)
        connection.listen(&on_readable, this);
}

void Client::unwatch()
{
    on_gone_ = nullptr;
    connection.stop_listening();
}

void Client::on_readable(void* target)
{
    auto& client = *static_cast<Client*>(target);
    while (client.input.size() < most_read_ahead) {
        const auto received = client.connection.read_some(client.loop_.scratch.bytes.data(), Scratch::size);
        if (received.must_wait()) {
            // What there is no room for stays in the kernel's buffers.
            if (client.count_input())
                client.connection.listen(&on_readable, &client);
            return;
        }
        if (received.error) {
            client.gone_ = true;
            if (client.on_gone_ != nullptr)
                client.on_gone_(client.gone_target_);
            return;
        }
        client.input.append(client.loop_.scratch.bytes.data(), received.bytes);
    }
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
