// The part of an attempt before its first byte: name, TCP, proxy, TLS.
#include <sys/socket.h>

#include <boost/asio/error.hpp>

#include "core/net/attempt.hpp"

namespace route::net {

namespace {

std::string connect_request(const Upstream& upstream)
{
    const auto& endpoint = upstream.endpoint;
    const bool ipv6 = endpoint.host.find(':') != std::string::npos;
    auto authority = ipv6 ? "[" + endpoint.host + "]" : endpoint.host;
    authority.append(":").append(std::to_string(endpoint.port));
    auto head = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
    if (!upstream.proxy_authorization.empty())
        head.append("Proxy-Authorization: ").append(upstream.proxy_authorization).append("\r\n");
    head.append("\r\n");
    return head;
}

}  // namespace

awaitable<bool> Attempt::connect()
{
    const auto& via = upstream_.via;
    phase_ = via ? Phase::proxy : Phase::resolve;
    const auto wait = ticks(limits_.timeouts.connect);
    const auto limit = std::min(Clock::now() + wait, limits_.total);
    deadline_.expire_at(limit);
    const auto begin = Clock::now();
    question_ = loop_.resolver.ask(via ? via->host : upstream_.endpoint.host);
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
        phase_ = via ? Phase::proxy : Phase::connect;
        const auto now = Clock::now();
        const auto share = now + (limit - now) / static_cast<int>(left--);
        const tcp::endpoint endpoint{address, via ? via->port : upstream_.endpoint.port};
        connected = co_await connect_to(endpoint, std::min(share, limit));
        if (connected)
            break;
        if (aborted_ && (*aborted_ != Cause::timeout || Clock::now() >= limit))
            co_return false;
        aborted_.reset();
    }
    if (!connected)
        co_return false;
    failure_.reset();  // of the addresses before this one
    deadline_.expire_at(limit);
    if (via && !by_forwarding()) {
        const auto asked = Clock::now();
        connected = co_await tunnel_through_proxy();
        waited_ += Clock::now() - asked;
    }
    if (connected && upstream_.endpoint.tls)
        connected = co_await handshake();
    co_return connected;
}

awaitable<bool> Attempt::connect_to(tcp::endpoint endpoint, TimePoint limit)
{
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
        if (error == boost::system::errc::connection_reset && !upstream_.via)
            phase_ = upstream_.endpoint.tls ? Phase::tls : Phase::write_request;
        if (error)
            co_return fail(phase_, Cause::transport, error);
    }
    co_return true;
}

/// CONNECT (RFC 9110 9.3.6): after a 2xx the connection leads to the upstream.
awaitable<bool> Attempt::tunnel_through_proxy()
{
    phase_ = Phase::proxy;
    const auto head = connect_request(upstream_);
    auto request = part(head);
    const std::span<iovec> parts{&request, 1};
    const auto error = co_await write_all(*connection_, parts);
    if (error)
        co_return fail_transport(phase_, error);
    head_.clear();
    while (head_length(head_) == 0) {
        const bool more = read_proxy_answer();
        if (failure_)
            co_return false;
        if (more)
            continue;
        auto readable = connection_->readable();
        co_await std::move(readable);
    }
    // Nobody but the proxy has spoken: what is behind its head can be nothing of the upstream's.
    ReplyParser answer;
    const auto length = head_length(head_);
    const auto malformed = answer.parse_head(std::string_view{head_}.substr(0, length));
    if (malformed)
        co_return fail(phase_, Cause::bad_reply, malformed, malformed.message());
    if (answer.status() / 100 != 2) {
        fail(phase_, Cause::status);
        failure_->status = answer.status();
        co_return false;
    }
    if (head_.size() > length)
        co_return fail(phase_, Cause::bad_reply, {}, "more than a head");
    head_.clear();
    co_return true;
}

/// False when nothing more is here yet; a failure is noted.
bool Attempt::read_proxy_answer()
{
    const auto received = connection_->read_some(loop_.scratch.bytes.data(), Scratch::size);
    if (received.must_wait())
        return false;
    if (received.error)
        return fail_transport(phase_, received.error);
    head_.append(loop_.scratch.bytes.data(), received.bytes);
    if (head_.size() > max_head_bytes)
        return fail(phase_, Cause::bad_reply, {}, "its head is too long");
    return true;
}

awaitable<bool> Attempt::handshake()
{
    phase_ = Phase::tls;
    const auto begin = Clock::now();
    auto* ssl = table_.tls->session(upstream_.endpoint.host, upstream_.endpoint.port);
    if (ssl == nullptr)
        co_return fail(phase_, Cause::transport, {}, "TLS cannot be set up");
    connection_->start_tls(ssl);
    const auto error = co_await shake_hands(*connection_);
    waited_ += Clock::now() - begin;
    if (error)
        co_return fail(phase_, Cause::transport, error,
                       aborted_ ? std::string{} : TlsClient::describe_failure(ssl));
    co_return true;
}

}  // namespace route::net
