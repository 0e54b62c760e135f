#pragma once

#include <openssl/ssl.h>
#include <sys/uio.h>

#include <memory>
#include <span>

#include "core/net/waiting/poller.hpp"
#include "core/net/waiting/wakeup.hpp"

namespace route::net {

/// What one non-blocking read or write did. `error` is would_block when it has to wait, asio::error::eof at
/// the end of the stream.
struct IoResult
{
    std::size_t bytes = 0;
    error_code error;

    bool must_wait() const { return error == asio::error::would_block; }
};

/// A TCP connection, plain or TLS, to a client or an upstream, driven by readiness: reads and writes never
/// block and never own a buffer, so that a waiting connection holds none. At most one coroutine reads and one
/// writes. One thread: the loop's. Errors are values.
class Connection final : private Pollable
{
  public:
    /// Takes over an open, non-blocking socket, connected or connecting.
    Connection(Poller& poller, int socket);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    /// From now on bytes are those inside TLS. Takes ownership of `ssl`; the handshake is the caller's next
    /// step.
    void start_tls(SSL* ssl);
    SSL* tls() const { return ssl_.get(); }

    /// After a number of reads in a row would_block as well, although there is more: others of the loop have
    /// their turn, then it is readable again. So a peer that keeps the socket full holds up nobody.
    IoResult read_some(char* data, std::size_t size);

    /// The next read waits for a turn: what was read made much work.
    void end_turn() { reads_left_ = 0; }

    /// After a number of bytes in a row would_block as well, like read_some(): a peer that takes them as fast
    /// as they come holds up nobody.
    IoResult write_some(std::span<const iovec> parts);

    /// The next byte, which stays to be read: for TLS that is still to be started. Errors as of read_some().
    IoResult peek(char& byte);

    /// Whether the peer has sent nothing that was not read; what it has goes to `scratch` and is lost.
    bool is_silent(char* scratch, std::size_t size);

    /// One step of the TLS handshake; would_block: wait for what `handshake_wants_write()` says.
    error_code handshake_step();
    bool handshake_wants_write() const { return wants_write_; }

    /// Whether a read may bring something; false after one that would block, until more has come.
    bool is_readable() const { return readable_; }

    /// Awaitable: until more can be read, closed, or cancelled. Not to be awaited while is_readable().
    auto readable() { return reader_.wait(); }

    /// Awaitable: until writable or closed. To be awaited after a write that would block only.
    auto writable() { return writer_.wait(); }

    /// The same with any completion token, `void(error_code)`. The handler may destroy the connection.
    template <class CompletionToken>
    auto async_wait_readable(CompletionToken&& token)
    {
        return reader_.async_wait(std::forward<CompletionToken>(token));
    }
    /// Drops the handler that waits for it: it is never called.
    void stop_listening() { reader_.discard(); }

    /// Nobody uses it: what comes now was not asked for, and whoever waits for it hears of it before those
    /// who came at the same time may use it.
    void set_idle(bool idle) { dispatch_first(idle); }

    /// Ends the wait of the reader with operation_aborted; the connection stays as it is.
    void cancel_read() { reader_.cancel(); }

    bool is_open() const { return socket_ >= 0; }

    /// The peer has ended its direction, or the connection has broken; there may be bytes to read before.
    bool has_ended() const { return ended_; }

    /// Bytes written that the peer has not acknowledged, tcp(7).
    std::size_t unacknowledged() const;

    /// How an attempt to connect ended, once writable (SO_ERROR, socket(7)).
    error_code connect_error() const;

    /// Ends both directions; whoever waits is resumed by the loop. Idempotent.
    void close();

    /// Ends it without saying goodbye inside TLS: a reply delimited by the end must not look whole.
    void abandon();

    /// Ends it with RST: the peer cannot take it for a clean end.
    void reset();

    /// Sends the end of our direction.
    void shutdown_send();

  private:
    struct FreeSsl
    {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
    };

    void on_events(std::uint32_t events) override;
    void close_socket();
    IoResult tls_result(int done);
    IoResult send_some(std::span<const iovec> parts);

    Poller& poller_;
    int socket_;
    static constexpr int reads_in_a_row = 16;
    static constexpr std::size_t written_at_most = 1u << 20;

    bool readable_ = false;
    int reads_left_ = reads_in_a_row;
    std::size_t written_ = 0;  ///< bytes in a row
    bool ended_ = false;       ///< by the peer, or an error: there is always something to read
    bool wants_write_ = false;
    std::unique_ptr<SSL, FreeSsl> ssl_;
    Wakeup reader_;
    Wakeup writer_;
};

/// Opens a non-blocking TCP socket that sends small writes at once and finds out when its peer has vanished,
/// and begins to connect it. -1 when none can be opened. `error`: why, or how connecting failed at once, or
/// operation_in_progress: it is done when the socket can be written, and Connection::connect_error() says
/// how.
int connect_socket(const tcp::endpoint& endpoint, error_code& error);

/// Has the kernel ask a silent peer whether it is still there (tcp(7), SO_KEEPALIVE): one that has vanished
/// is noticed within two minutes. What a listening socket accepts inherits it.
void notice_vanished_peer(int socket);

/// Writes all parts, waiting as the peer takes them. `parts` must stay valid. The caller ends a stalled write
/// by close().
awaitable<error_code> write_all(Connection& connection, std::span<iovec> parts);

/// The same waits as alternatives of a race: they end when cancelled, too. Whether it became so.
awaitable<bool> until_readable(Connection& connection);
awaitable<bool> until_writable(Connection& connection);

/// Takes a connection on which TLS was started through its handshake. The caller ends a stalled one by
/// close().
awaitable<error_code> shake_hands(Connection& connection);

/// Drops the first `bytes` of `parts`; what is left.
std::span<iovec> consume(std::span<iovec> parts, std::size_t bytes);

inline iovec part(std::string_view bytes)
{
    return {const_cast<char*>(bytes.data()), bytes.size()};
}

}  // namespace route::net
