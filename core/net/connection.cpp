#include "core/net/connection.hpp"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

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
    return number == EAGAIN || number == EWOULDBLOCK || number == EINTR;
}

}  // namespace

Connection::Connection(Socket socket) : socket_{std::move(socket)}
{
    error_code ignored;
    socket_.non_blocking(true, ignored);
    socket_.set_option(tcp::no_delay{true}, ignored);
    read_.state = new WaitState;
    write_.state = new WaitState;
    read_.state->connection = this;
    write_.state->connection = this;
}

Connection::~Connection()
{
    read_.state->connection = nullptr;
    write_.state->connection = nullptr;
    read_.state->listener = nullptr;
    close();
}

void Connection::start_tls(SSL* ssl)
{
    ssl_.reset(ssl);
    SSL_set_fd(ssl, socket_.native_handle());
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

IoResult Connection::read_some(char* data, std::size_t size)
{
    read_.ready = false;
    if (!socket_.is_open())
        return {0, asio::error::operation_aborted};
    if (ssl_) {
        ERR_clear_error();
        errno = 0;
        return tls_result(SSL_read(ssl_.get(), data, static_cast<int>(size)));
    }
    const auto received = ::recv(socket_.native_handle(), data, size, 0);
    if (received > 0)
        return {static_cast<std::size_t>(received), {}};
    if (received == 0)
        return {0, asio::error::eof};
    if (would_block(errno))
        return {0, asio::error::would_block};
    return {0, last_error()};
}

IoResult Connection::write_some(std::span<const iovec> parts)
{
    if (!socket_.is_open())
        return {0, asio::error::operation_aborted};
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
    const auto sent = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
    if (sent >= 0)
        return {static_cast<std::size_t>(sent), {}};
    if (would_block(errno))
        return {0, asio::error::would_block};
    return {0, last_error()};
}

error_code Connection::handshake_step()
{
    if (!socket_.is_open())
        return asio::error::operation_aborted;
    ERR_clear_error();
    errno = 0;
    return tls_result(SSL_do_handshake(ssl_.get())).error;
}

void Connection::arm(Wait& wait, Socket::wait_type type)
{
    auto& state = *wait.state;
    if (state.armed)
        return;
    state.armed = true;
    // A closed socket completes the wait at once with an error, through the loop.
    socket_.async_wait(type, [kept = wait.state](error_code) mutable { fired(std::move(kept)); });
}

void Connection::fired(boost::intrusive_ptr<WaitState> state)
{
    state->armed = false;
    if (state->signal.waited_for()) {
        state->signal.notify();
        return;
    }
    if (state->connection == nullptr)
        return;
    if (state->listener != nullptr) {
        const auto listener = std::exchange(state->listener, nullptr);
        listener(state->target);
        return;
    }
    if (state->connection->read_.state == state)
        state->connection->read_.ready = true;
}

void Connection::listen(Listener listener, void* target)
{
    read_.state->listener = listener;
    read_.state->target = target;
    arm(read_, Socket::wait_read);
}

std::size_t Connection::unacknowledged()
{
    int queued = 0;
    if (::ioctl(socket_.native_handle(), SIOCOUTQ, &queued) != 0)
        return 0;
    return static_cast<std::size_t>(queued);
}

void Connection::keep_alive_probes()
{
    const int on = 1;
    const int idle = 60;
    const int interval = 15;
    const int count = 4;
    const auto socket = socket_.native_handle();
    ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

void Connection::close()
{
    if (!socket_.is_open())
        return;
    if (ssl_ && SSL_is_init_finished(ssl_.get()) != 0) {
        ERR_clear_error();
        SSL_shutdown(ssl_.get());  // says goodbye if it can; a session that was not shut down is not resumed
    }
    error_code ignored;
    socket_.close(ignored);
}

void Connection::abandon()
{
    if (ssl_)
        SSL_set_quiet_shutdown(ssl_.get(), 1);
    close();
}

void Connection::reset()
{
    if (!socket_.is_open())
        return;
    error_code ignored;
    socket_.set_option(asio::socket_base::linger{true, 0}, ignored);
    socket_.close(ignored);
}

void Connection::shutdown_send()
{
    error_code ignored;
    if (ssl_)
        SSL_shutdown(ssl_.get());
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
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
            co_await std::move(writable);
            continue;
        }
        if (written.error)
            co_return written.error;
        parts = consume(parts, written.bytes);
    }
    co_return error_code{};
}

}  // namespace route::net
