#pragma once

#include <string>

#include "core/net/event_loop.hpp"

namespace route::net {

/// The connection to one client: what it has sent and is not yet consumed, how long it may take, and whether
/// it is still there.
class Client
{
  public:
    static constexpr std::size_t most_read_ahead = 64u << 10;

    /// Takes over a connected, non-blocking socket.
    Client(EventLoop& loop, int socket, asio::ip::address peer);

    Connection connection;
    std::string input;  ///< received, not yet consumed
    Stranger stranger;  ///< among those who have shown no valid key, until it leaves them
    const asio::ip::address peer;

    /// Takes in what has come. Errors: would_block when that is nothing, timed_out at the limit, eof, or the
    /// transport's.
    error_code receive();

    /// Counts the input among what is held in memory, as long as it is worth it; false when that is more than
    /// there may be. To be called before a wait with input that is not consumed, and when it was.
    bool count_input();

    /// The peer's address in words.
    const std::string& peer_text();

    /// When waiting for this client is given up; receive() says timed_out, a write ends by closing the
    /// connection.
    void limit_read(TimePoint when);
    void limit_write(TimePoint when);
    void no_limit() { deadline_.cancel(); }

    /// While a request is being answered: reads ahead what is pipelined, and calls `on_gone(target)` once
    /// when the client has left (end of stream, half-closed included, or an error).
    void watch(void (*on_gone)(void*), void* target);
    void unwatch();
    bool gone() const { return gone_; }

    /// Sends the end, then discards a little of what still comes, so that the client can read the answer
    /// before a reset reaches it.
    awaitable<void> linger();

  private:
    static void on_deadline(void* target);
    static void on_readable(void* target);

    EventLoop& loop_;
    std::string peer_text_;
    Deadline deadline_;
    BufferAccount input_account_;
    bool writing_ = false;
    bool timed_out_ = false;
    bool gone_ = false;
    void (*on_gone_)(void*) = nullptr;
    void* gone_target_ = nullptr;
};

}  // namespace route::net
