#pragma once

#include <string>

#include "core/net/loop/event_loop.hpp"

namespace route::net {

/// Whom an attempt is made for.
class Requester
{
  public:
    /// Ends when nobody waits for the answer any more, or when cancelled.
    virtual awaitable<void> gone() = 0;

  protected:
    ~Requester() = default;
};

/// The connection to one client: what it has sent and is not yet consumed, how long it may take, and whether
/// it is still there.
class Client final : public Requester, private Expiring
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

    /// While its request is being answered: reads ahead what is pipelined, and ends when the client has left
    /// (end of stream, half-closed included, or an error), or when cancelled.
    awaitable<void> gone() override;
    bool has_left() const { return left_ || !connection.is_open(); }

    /// The same beside a reply that is being sent: when the client leaves, its connection is closed, and the
    /// wait for `upstream`, if there is one, ends. Until unwatch(), or a watch() with another.
    void watch(Connection* upstream);
    void unwatch();
    /// Goes on watching, for no upstream.
    void forget_upstream() { upstream_ = nullptr; }

    /// The router stops: the client's connection ends, and that is not its own going.
    void stop();
    bool stopped() const { return stopped_; }

    /// Sends the end, then discards a little of what still comes, so that the client can read the answer
    /// before a reset reaches it.
    awaitable<void> linger();

  private:
    void on_expired() override;
    bool read_ahead();

    EventLoop& loop_;
    std::string peer_text_;
    Deadline deadline_;
    BufferAccount input_account_;
    bool writing_ = false;
    bool timed_out_ = false;
    void wait_for_more();

    bool left_ = false;
    bool stopped_ = false;
    bool watched_ = false;
    Connection* upstream_ = nullptr;
    bool over_budget_ = false;  ///< what it sends is not read ahead any more
};

}  // namespace route::net
