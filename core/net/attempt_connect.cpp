// The part of an attempt before its first byte: name, TCP, TLS.
#include <sys/socket.h>

#include <boost/asio/error.hpp>

#include "core/net/attempt.hpp"

namespace route::net {

awaitable<bool> Attempt::connect()
{
    phase_ = Phase::resolve;
    const auto wait = std::chrono::duration_cast<Clock::duration>(limits_.timeouts.connect);
    const auto limit = std::min(Clock::now() + wait, limits_.total);
    deadline_.expire_at(limit);
    const auto begin = Clock::now();
    question_ = loop_.resolver.ask(upstream_.endpoint.host);
    if (!question_->done) {
        question_->waiters.push_back(&resolved_);
        auto answer = resolved_.wait();
        co_await std::move(answer);
    }
    const auto question = std::exchange(question_, nullptr);
    waited_ += Clock::now() - begin;
    if (aborted_)
        co_return fail(phase_, *aborted_);
    const auto& answer = question->answer;
    if (answer.error)
        co_return fail(phase_, Cause::transport, answer.error);
    if (answer.addresses.empty())
        co_return fail(phase_, Cause::transport, asio::error::host_not_found);
    // Every address gets an equal share of the time that is left: one that swallows packets does not use up
    // all of it.
    auto left = answer.addresses.size();
    bool connected = false;
    for (const auto& address : answer.addresses) {
        phase_ = Phase::connect;
        const auto now = Clock::now();
        const auto share = now + (limit - now) / static_cast<int>(left--);
        connected = co_await connect_to(address, std::min(share, limit));
        if (connected)
            break;
        if (aborted_ && (*aborted_ != Cause::timeout || Clock::now() >= limit))
            co_return false;
        aborted_.reset();
    }
    if (!connected)
        co_return false;
    failure_.reset();  // of the addresses before this one
    if (upstream_.endpoint.tls) {
        deadline_.expire_at(limit);
        connected = co_await handshake();
    }
    co_return connected;
}

awaitable<bool> Attempt::connect_to(asio::ip::address address, TimePoint limit)
{
    const tcp::endpoint endpoint{address, upstream_.endpoint.port};
    const int socket = open_upstream_socket(endpoint.protocol().family());
    if (socket < 0)
        co_return fail(phase_, Cause::transport, error_code{errno, boost::system::system_category()});
    deadline_.expire_at(limit);
    const auto begin = Clock::now();
    const auto started = ::connect(socket, endpoint.data(), static_cast<socklen_t>(endpoint.size()));
    const error_code refused{started != 0 && errno != EINPROGRESS ? errno : 0,
                             boost::system::system_category()};
    // Watched only now: a socket that is not even connecting counts as hung up.
    connection_ = std::make_unique<Connection>(loop_.poller, socket);
    if (refused)
        co_return fail(phase_, Cause::transport, refused);
    if (started != 0 && connection_->is_open()) {
        auto writable = connection_->writable();
        co_await std::move(writable);
        waited_ += Clock::now() - begin;
        if (aborted_)
            co_return fail(phase_, *aborted_);
        const auto error = connection_->connect_error();
        // Nobody answers a SYN with that: it was connected, and then reset.
        if (error == boost::system::errc::connection_reset)
            phase_ = upstream_.endpoint.tls ? Phase::tls : Phase::write_request;
        if (error)
            co_return fail(phase_, Cause::transport, error);
    }
    co_return true;
}

awaitable<bool> Attempt::handshake()
{
    phase_ = Phase::tls;
    const auto begin = Clock::now();
    auto* ssl = table_.tls->session(upstream_.endpoint.host, upstream_.endpoint.port);
    if (ssl == nullptr)
        co_return fail(phase_, Cause::transport, {}, "TLS cannot be set up");
    connection_->start_tls(ssl);
    for (;;) {
        const auto error = connection_->handshake_step();
        if (!error)
            break;
        if (error != asio::error::would_block) {
            waited_ += Clock::now() - begin;
            co_return fail(phase_, Cause::transport, error,
                           aborted_ ? std::string{} : TlsClient::describe_failure(ssl));
        }
        if (connection_->handshake_wants_write()) {
            auto writable = connection_->writable();
            co_await std::move(writable);
        } else if (!connection_->is_readable()) {
            auto readable = connection_->readable();
            co_await std::move(readable);
        }
    }
    waited_ += Clock::now() - begin;
    co_return true;
}

}  // namespace route::net
