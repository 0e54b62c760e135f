#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/tls_server.hpp"

namespace route::test {

/// One thing a fake upstream does on a connection; made by the functions of namespace `step`.
struct Step
{
    enum class Kind
    {
        read_head,
        read_request,
        read_some,
        send,
        ticket,
        half_close,
        cut,
        close,
        reset,
        wait_for_close,
        hold,
        pause,
        again,
    };
    Kind kind = Kind::read_request;
    std::string text = {};                ///< bytes to send, or the name of a gate
    std::vector<std::size_t> cuts = {};   ///< positions at which `text` is sent in pieces
    std::size_t count = 1;                ///< bytes to read, or how often `text` is sent
    std::chrono::milliseconds time = {};  ///< of a pause
};

/// What happens on one connection. When its steps are used up, it stays open and silent until the peer closes
/// it.
using Script = std::vector<Step>;

namespace step {

/// Waits for a request's head; for all of it, the body included. Only the latter makes it appear in
/// requests().
Step read_head();
Step read_request();

/// Takes `bytes` of what comes, and no more until the next step: before any other step, the rest stays in the
/// kernel's buffers.
Step read_some(std::size_t bytes);

Step send(std::string bytes);

/// The peer gets a chance to read each piece before the next one is sent.
Step send_split(std::string bytes, std::vector<std::size_t> cuts);
Step send_byte_by_byte(std::string bytes);
Step send_repeated(std::string bytes, std::size_t times);

/// A session ticket inside TLS.
Step ticket();

/// With goodbye (close_notify) inside TLS; cut() is a half close without it.
Step half_close();
Step close();
Step cut();

/// Closes with a TCP reset (SO_LINGER 0).
Step reset();
Step wait_for_close();

/// Waits until the test calls release() with the same name.
Step hold(std::string gate);

/// For what only time can show.
Step pause(std::chrono::milliseconds time);

/// Begins the script anew on the same connection: keep-alive.
Step again();

}  // namespace step

/// A request as an upstream received it.
struct ReceivedRequest
{
    std::size_t connection = 0;  ///< number of the connection, from 0
    std::string raw;
    boost::beast::http::request<boost::beast::http::string_body> message;

    std::string header(std::string_view name) const;  ///< "" when it is missing
    bool has(std::string_view name) const { return message.count(name) > 0; }
    std::string target() const { return std::string{message.target()}; }
    const std::string& body() const { return message.body(); }
};

/// A server on an ephemeral port of the loopback that plays a script on each connection. Lives on the test's
/// io_context, which must outlive it; one thread.
class FakeUpstream
{
  public:
    FakeUpstream(boost::asio::io_context& io, Script every_connection);

    /// The nth connection plays the nth script, later ones the last.
    FakeUpstream(boost::asio::io_context& io, std::vector<Script> by_connection);
    FakeUpstream(const FakeUpstream&) = delete;
    FakeUpstream& operator=(const FakeUpstream&) = delete;
    ~FakeUpstream();

    std::uint16_t port() const;

    /// For connections accepted from now on.
    void play(Script every_connection);
    void play(std::vector<Script> by_connection);

    /// Connections accepted from now on are TLS; null: plain. A script begins after the handshake.
    void speak_tls(std::shared_ptr<const TlsServer> server);

    const TlsSession& tls(std::size_t connection = 0) const;

    /// Whole requests in the order in which they were read.
    const std::vector<ReceivedRequest>& requests() const;

    std::size_t connections() const;

    /// Whether the peer closed or reset it. Not seen while a script begins with read_some() or pause().
    bool closed_by_peer(std::size_t connection = 0) const;

    /// Every byte that came on it; inside TLS, if it is.
    const std::string& received(std::size_t connection = 0) const;

    /// Whether a connection waits, or waited, at the gate.
    bool reached(std::string_view gate) const;

    /// Opens the gate for those that wait and all that come.
    void release(const std::string& gate);

    /// Bytes handed to the kernel, all connections together.
    std::uint64_t sent_bytes() const;

    struct State;

  private:
    std::shared_ptr<State> state_;
};

}  // namespace route::test
