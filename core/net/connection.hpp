#pragma once

#include <openssl/ssl.h>
#include <sys/uio.h>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <memory>
#include <span>

#include "core/net/signal.hpp"

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
class Connection
{
  public:
    using Listener = void (*)(void* target);

    /// Takes an open socket and makes it non-blocking.
    explicit Connection(Socket socket);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    /// From now on bytes are those inside TLS. Takes ownership of `ssl`; the handshake is the caller's next
    /// step.
    void start_tls(SSL* ssl);
    SSL* tls() const { return ssl_.get(); }

    IoResult read_some(char* data, std::size_t size);
    IoResult write_some(std::span<const iovec> parts);

    /// One step of the TLS handshake; would_block: wait for what `handshake_wants_write()` says.
    error_code handshake_step();
    bool handshake_wants_write() const { return wants_write_; }

    /// Whether a read that brought `bytes` of `asked` left nothing behind: the next one would only say
    /// would_block.
    bool drained(std::size_t bytes, std::size_t asked) const { return !ssl_ && bytes < asked; }

    /// Has been found readable since the last read: do not wait.
    bool is_readable() const { return read_.ready; }

    /// Awaitable: until readable, closed, or wake_reader(). Check is_readable() first where a wait may have
    /// been armed before.
    auto readable()
    {
        arm(read_, Socket::wait_read);
        return read_.state->signal.wait();
    }

    /// Awaitable: until writable or closed.
    auto writable()
    {
        arm(write_, Socket::wait_write);
        return write_.state->signal.wait();
    }

    /// Watches for bytes or the end while nobody awaits readable(); `listener(target)` is called once per
    /// listen() and may destroy the connection.
    void listen(Listener listener, void* target);
    void stop_listening() { read_.state->listener = nullptr; }

    /// Resumes who awaits, although nothing happened on the socket.
    void wake_reader() { read_.state->signal.notify(); }
    void wake_writer() { write_.state->signal.notify(); }

    bool is_open() const { return socket_.is_open(); }

    /// Bytes written that the peer has not acknowledged, tcp(7).
    std::size_t unacknowledged();

    /// Lets the kernel find out that the peer has vanished (half-open connections).
    void keep_alive_probes();

    /// Ends both directions; whoever waits is resumed by the loop. Idempotent.
    void close();

    /// Ends it without saying goodbye inside TLS: a reply delimited by the end must not look whole.
    void abandon();

    /// Ends it with RST: the peer cannot take it for a clean end.
    void reset();

    /// Sends the end of our direction.
    void shutdown_send();

    Socket& socket() { return socket_; }

  private:
    struct WaitState : boost::intrusive_ref_counter<WaitState, boost::thread_unsafe_counter>
    {
        Signal signal;
        Listener listener = nullptr;
        void* target = nullptr;
        bool armed = false;
        Connection* connection = nullptr;  ///< null once it is gone
    };
    struct Wait
    {
        boost::intrusive_ptr<WaitState> state;
        bool ready = false;
    };
    struct FreeSsl
    {
        void operator()(SSL* ssl) const { SSL_free(ssl); }
    };

    void arm(Wait& wait, Socket::wait_type type);
    static void fired(boost::intrusive_ptr<WaitState> state);
    IoResult tls_result(int done);

    Socket socket_;
    std::unique_ptr<SSL, FreeSsl> ssl_;
    Wait read_;
    Wait write_;
    bool wants_write_ = false;
};

/// Writes all parts, waiting as the peer takes them. `parts` must stay valid. The caller ends a stalled write
/// by close().
awaitable<error_code> write_all(Connection& connection, std::span<iovec> parts);

/// Drops the first `bytes` of `parts`; what is left.
std::span<iovec> consume(std::span<iovec> parts, std::size_t bytes);

inline iovec part(std::string_view bytes)
{
    return {const_cast<char*>(bytes.data()), bytes.size()};
}

}  // namespace route::net
