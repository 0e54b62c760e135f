#include "core/net/transport/connection.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <cerrno>
#include <cstring>

namespace route::net {

namespace {

error_code last_error()
{
    return {errno, boost::system::system_category()};
}

bool would_block(int number)
{
    return number == EAGAIN || number == EWOULDBLOCK;
}

template <class Call>
auto uninterrupted(Call call)
{
    auto result = call();
    while (result < 0 && errno == EINTR)
        result = call();
    return result;
}

}  // namespace

Connection::Connection(Poller& poller, int socket) : poller_{poller}, socket_{socket}
{
    if (poller_.add(socket_, *this)) {
        // Out of memory or of watches: it reads as a connection that has broken.
        ::close(std::exchange(socket_, -1));
        readable_ = true;
    }
}

Connection::~Connection()
{
    close();
    poller_.remove(*this);
}

void Connection::start_tls(SSL* ssl)
{
    ssl_.reset(ssl);
    SSL_set_fd(ssl, socket_);
    SSL_set_mode(
        ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
}

IoResult Connection::tls_result(int done)
{
    if (done > 0)
        return {static_cast<std::size_t>(done), {}};
    const auto saved = errno;
    const auto reason = SSL_get_error(ssl_.get(), done);
    wants_write_ = reason == SSL_ERROR_WANT_WRITE;
    switch (reason) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE:
            return {0, asio::error::would_block};
        case SSL_ERROR_ZERO_RETURN:
            return {0, asio::error::eof};
        case SSL_ERROR_SYSCALL:
            if (saved == 0)
                return {0, asio::error::eof};
            return {0, error_code{saved, boost::system::system_category()}};
        default:
            if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
                return {0, asio::ssl::error::stream_truncated};
            return {0, error_code{static_cast<int>(ERR_peek_last_error()), asio::error::get_ssl_category()}};
    }
}

namespace {

/// What a recv() that gave no bytes means.
error_code nothing_received(ssize_t received)
{
    if (received == 0)
        return asio::error::eof;
    return would_block(errno) ? error_code{asio::error::would_block} : last_error();
}

}  // namespace

IoResult Connection::read_some(char* data, std::size_t size)
{
    if (!is_open())
        return {0, asio::error::operation_aborted};
    if (!readable_)
        return {0, asio::error::would_block};
    if (reads_left_-- == 0) {
        readable_ = false;
        poller_.dispatch_later(*this);
        return {0, asio::error::would_block};
    }
    if (ssl_) {
        ERR_clear_error();
        errno = 0;
        const auto result = tls_result(SSL_read(ssl_.get(), data, static_cast<int>(size)));
        readable_ = !result.must_wait();
        return result;
    }
    const auto received = uninterrupted([&] { return ::recv(socket_, data, size, 0); });
    if (received > 0) {
        // Less than asked for is all there was (epoll(7), question 9), unless the end follows.
        readable_ = ended_ || static_cast<std::size_t>(received) == size;
        return {static_cast<std::size_t>(received), {}};
    }
    const IoResult result{0, nothing_received(received)};
    readable_ = !result.must_wait();
    return result;
}

IoResult Connection::peek(char& byte)
{
    if (!is_open())
        return {0, asio::error::operation_aborted};
    const auto received = uninterrupted([&] { return ::recv(socket_, &byte, 1, MSG_PEEK); });
    if (received > 0)
        return {1, {}};
    const IoResult result{0, nothing_received(received)};
    readable_ = !result.must_wait();
    return result;
}

bool Connection::is_silent(char* scratch, std::size_t size)
{
    if (is_linked())
        readable_ = true;  // it waits for its turn to read on: whether there is more is not known
    reads_left_ = std::max(reads_left_, 1);
    return read_some(scratch, size).must_wait();
}

IoResult Connection::write_some(std::span<const iovec> parts)
{
    if (!is_open())
        return {0, asio::error::operation_aborted};
    if (written_ >= written_at_most) {
        poller_.dispatch_later(*this);
        return {0, asio::error::would_block};
    }
    const auto result = send_some(parts);
    written_ += result.bytes;
    return result;
}

IoResult Connection::send_some(std::span<const iovec> parts)
{
    if (ssl_) {
        // One record for all parts, as far as they fit: a TLS write takes one buffer.
        thread_local std::array<char, 16384> joined;
        std::size_t size = 0;
        for (const auto& each : parts) {
            const auto take = std::min(each.iov_len, joined.size() - size);
            std::memcpy(joined.data() + size, each.iov_base, take);
            size += take;
        }
        if (size == 0)
            return {};
        ERR_clear_error();
        errno = 0;
        return tls_result(SSL_write(ssl_.get(), joined.data(), static_cast<int>(size)));
    }
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts.data());
    message.msg_iovlen = parts.size();
    const auto sent = uninterrupted([&] { return ::sendmsg(socket_, &message, MSG_NOSIGNAL); });
    if (sent >= 0)
        return {static_cast<std::size_t>(sent), {}};
    if (would_block(errno))
        return {0, asio::error::would_block};
    return {0, last_error()};
}

error_code Connection::handshake_step()
{
    ERR_clear_error();
    if (!is_open())
        return asio::error::operation_aborted;
    errno = 0;
    const auto result = tls_result(SSL_do_handshake(ssl_.get()));
    if (result.must_wait() && !wants_write_)
        readable_ = false;
    return result.error;
}

void Connection::on_events(std::uint32_t events)
{
    constexpr std::uint32_t ends = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
    auto& poller = poller_;
    if ((events & ends) != 0)
        ended_ = true;
    const bool may_read_on = wants_write_ && (events & EPOLLOUT) != 0;  // inside TLS one can need the other
    if ((events & (EPOLLIN | ends)) != 0 || may_read_on) {
        readable_ = true;
        reads_left_ = reads_in_a_row;
        reader_.notify();
        if (!poller.dispatching(this))
            return;  // that was its end
    }
    if ((events & (EPOLLOUT | ends)) != 0) {
        written_ = 0;
        writer_.notify();
    }
}

std::size_t Connection::unacknowledged() const
{
    int queued = 0;
    if (::ioctl(socket_, SIOCOUTQ, &queued) != 0)
        return 0;
    return static_cast<std::size_t>(queued);
}

error_code Connection::connect_error() const
{
    int code = 0;
    socklen_t size = sizeof code;
    if (::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &code, &size) != 0)
        code = errno;
    return {code, boost::system::system_category()};
}

void Connection::close()
{
    if (!is_open())
        return;
    if (ssl_ && SSL_is_init_finished(ssl_.get()) != 0) {
        ERR_clear_error();
        SSL_shutdown(ssl_.get());  // says goodbye if it can; a session that was not shut down is not resumed
    }
    close_socket();
}

void Connection::close_socket()
{
    ::close(std::exchange(socket_, -1));
    readable_ = true;
    if (reader_.waited_for() || writer_.waited_for())
        poller_.dispatch_later(*this);
}

void Connection::abandon()
{
    if (ssl_)
        SSL_set_quiet_shutdown(ssl_.get(), 1);
    close();
}

void Connection::reset()
{
    if (!is_open())
        return;
    const linger at_once{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close_socket();
}

void Connection::shutdown_send()
{
    if (!is_open())
        return;
    if (ssl_)
        SSL_shutdown(ssl_.get());
    ::shutdown(socket_, SHUT_WR);
}

int connect_socket(const tcp::endpoint& endpoint, error_code& error)
{
    const int made = ::socket(endpoint.protocol().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0) {
        error = {errno, boost::system::system_category()};
        return made;
    }
    const int on = 1;
    ::setsockopt(made, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(made, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on);  // else a read ends early at an urgent mark
    notice_vanished_peer(made);
    const auto started = ::connect(made, endpoint.data(), static_cast<socklen_t>(endpoint.size()));
    error = {started == 0 ? 0 : errno, boost::system::system_category()};
    return made;
}

void notice_vanished_peer(int socket)
{
    const int on = 1;
    const int idle = 60;
    const int interval = 15;
    const int count = 4;
    ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

std::span<iovec> consume(std::span<iovec> parts, std::size_t bytes)
{
    while (!parts.empty() && bytes >= parts.front().iov_len) {
        bytes -= parts.front().iov_len;
        parts = parts.subspan(1);
    }
    if (!parts.empty()) {
        parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + bytes;
        parts.front().iov_len -= bytes;
    }
    return parts;
}

awaitable<error_code> write_all(Connection& connection, std::span<iovec> parts)
{
    parts = consume(parts, 0);
    while (!parts.empty()) {
        const auto written = connection.write_some(parts);
        if (written.must_wait()) {
            auto writable = connection.writable();
            const auto waited = co_await std::move(writable);
            if (std::get<0>(waited))
                co_return std::get<0>(waited);
            continue;
        }
        if (written.error)
            co_return written.error;
        parts = consume(parts, written.bytes);
    }
    co_return error_code{};
}

awaitable<bool> until_readable(Connection& connection)
{
    if (connection.is_readable())
        co_return true;
    auto readable = connection.readable();
    const auto waited = co_await std::move(readable);
    co_return !std::get<0>(waited);
}

awaitable<bool> until_writable(Connection& connection)
{
    auto writable = connection.writable();
    const auto waited = co_await std::move(writable);
    co_return !std::get<0>(waited);
}

awaitable<error_code> shake_hands(Connection& connection)
{
    for (;;) {
        const auto error = connection.handshake_step();
        if (error != asio::error::would_block)
            co_return error;
        error_code cancelled;
        if (connection.handshake_wants_write()) {
            auto writable = connection.writable();
            const auto waited = co_await std::move(writable);
            cancelled = std::get<0>(waited);
        } else if (!connection.is_readable()) {
            auto readable = connection.readable();
            const auto waited = co_await std::move(readable);
            cancelled = std::get<0>(waited);
        }
        if (cancelled)
            co_return cancelled;
    }
}

}  // namespace route::net
