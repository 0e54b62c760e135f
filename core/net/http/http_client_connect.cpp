// The part of a request before its first byte: name, TCP, proxy, TLS.
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/errc.hpp>

#include "core/net/http/http_client.hpp"

namespace route::net {

namespace {

std::string connect_request(const Destination& destination)
{
    const auto& endpoint = destination.endpoint;
    const bool ipv6 = endpoint.host.find(':') != std::string::npos;
    auto authority = ipv6 ? "[" + endpoint.host + "]" : endpoint.host;
    authority.append(":").append(std::to_string(endpoint.port));
    auto head = "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n";
    if (!destination.proxy_authorization.empty())
        head.append("Proxy-Authorization: ").append(destination.proxy_authorization).append("\r\n");
    head.append("\r\n");
    return head;
}

}  // namespace

awaitable<bool> HttpClient::connect(TimePoint limit)
{
    const auto& proxy = destination_.proxy;
    phase_ = proxy ? Phase::proxy : Phase::resolve;
    const auto begin = Clock::now();
    question_ = loop_.resolver.ask(proxy ? proxy->host : destination_.endpoint.host);
    if (!question_->done) {
        question_->waiters.push_back(&resolved_);
        auto answered = resolved_.wait();
        const auto waited = co_await std::move(answered);
        waited_ += Clock::now() - begin;
        if (std::get<0>(waited)) {
            Resolver::forget(*question_, resolved_);
            co_return fail(Cause::transport, std::get<0>(waited));
        }
    }
    const auto question = std::exchange(question_, nullptr);
    const auto& answer = question->answer;
    if (answer.error)
        co_return fail(Cause::transport, answer.error);
    if (answer.addresses.empty())
        co_return fail(Cause::transport, asio::error::host_not_found);
    bool connected = co_await connect_to_first(answer, limit);
    if (connected && proxy && !by_forwarding()) {
        const auto asked = Clock::now();
        connected = co_await tunnel_through_proxy();
        waited_ += Clock::now() - asked;
    }
    if (connected && destination_.endpoint.tls)
        connected = co_await handshake();
    co_return connected;
}

/// Every address but the last gets an equal share of the time that is left: one that swallows packets does
/// not use up all of it.
awaitable<bool> HttpClient::connect_to_first(const NameDirectory::Answer& answer, TimePoint limit)
{
    const auto& proxy = destination_.proxy;
    auto left = answer.addresses.size();
    for (const auto& address : answer.addresses) {
        phase_ = proxy ? Phase::proxy : Phase::connect;
        const tcp::endpoint endpoint{address, proxy ? proxy->port : destination_.endpoint.port};
        bool connected = false;
        if (left == 1) {
            connected = co_await connect_to(endpoint);
        } else {
            const auto now = Clock::now();
            connected = co_await connect_within(endpoint, now + (limit - now) / static_cast<int>(left));
        }
        --left;
        const auto state = co_await asio::this_coro::cancellation_state;
        if (connected || state.cancelled() != asio::cancellation_type::none)
            co_return connected;
    }
    co_return false;
}

namespace {

awaitable<void> until(TimePoint when, asio::io_context& io)
{
    Timer timer{io.get_executor(), when};
    auto passed = timer.async_wait(no_throw);
    co_await std::move(passed);
}

}  // namespace

awaitable<bool> HttpClient::connect_within(tcp::endpoint endpoint, TimePoint limit)
{
    using namespace asio::experimental::awaitable_operators;
    auto connected = connect_to(endpoint);
    auto late = until(limit, loop_.io);
    auto race = std::move(connected) || std::move(late);
    const auto first = co_await std::move(race);
    if (first.index() == 1)
        co_return fail(Cause::timeout);
    co_return std::get<0>(first);
}

awaitable<bool> HttpClient::connect_to(tcp::endpoint endpoint)
{
    namespace errc = boost::system::errc;
    const auto begin = Clock::now();
    error_code error;
    int socket = connect_socket(endpoint, error);
    const bool no_descriptor =
        socket < 0 && (error == errc::too_many_files_open || error == errc::too_many_files_open_in_system);
    // Idle connections are worth less than this request.
    if (no_descriptor && loop_.pool.close_all())
        socket = connect_socket(endpoint, error);
    if (socket < 0)
        co_return fail(Cause::transport, error);
    // Watched only now: a socket that is not even connecting counts as hung up.
    connection_ = std::make_unique<Connection>(loop_.poller, socket);
    const bool connecting = error == errc::operation_in_progress;
    if (error && !connecting)
        co_return fail(Cause::transport, error);
    if (connecting && connection_->is_open()) {
        auto writable = connection_->writable();
        const auto waited = co_await std::move(writable);
        waited_ += Clock::now() - begin;
        if (std::get<0>(waited))
            co_return fail(Cause::transport, std::get<0>(waited));
        error = connection_->connect_error();
        // Nobody answers a SYN with that: it was connected, and then reset.
        if (error == boost::system::errc::connection_reset && !destination_.proxy)
            phase_ = destination_.endpoint.tls ? Phase::tls : Phase::write_request;
        if (error)
            co_return fail(Cause::transport, error);
    }
    co_return true;
}

/// CONNECT (RFC 9110 9.3.6): after a 2xx the connection leads to the server.
awaitable<bool> HttpClient::tunnel_through_proxy()
{
    phase_ = Phase::proxy;
    const auto head = connect_request(destination_);
    auto request = part(head);
    const std::span<iovec> parts{&request, 1};
    const auto error = co_await write_all(*connection_, parts);
    if (error)
        co_return fail_transport(error);
    head_.clear();
    while (head_length(head_) == 0) {
        const auto step = read_proxy_answer();
        if (step == Step::failed)
            co_return false;
        if (step == Step::done)
            continue;
        auto readable = connection_->readable();
        const auto waited = co_await std::move(readable);
        if (std::get<0>(waited))
            co_return fail(Cause::transport, std::get<0>(waited));
    }
    // Nobody but the proxy has spoken: what is behind its head can be nothing of the server's.
    ReplyParser answer;
    const auto length = head_length(head_);
    const auto malformed = answer.parse_head(std::string_view{head_}.substr(0, length));
    if (malformed)
        co_return fail(Cause::bad_reply, malformed, malformed.message());
    if (answer.status() / 100 != 2) {
        fail(Cause::status);
        failure_->status = answer.status();
        co_return false;
    }
    if (head_.size() > length)
        co_return fail(Cause::bad_reply, {}, "more than a head");
    head_.clear();
    co_return true;
}

HttpClient::Step HttpClient::read_proxy_answer()
{
    const auto received = connection_->read_some(loop_.scratch.bytes.data(), Scratch::size);
    if (received.must_wait())
        return Step::wait;
    if (received.error) {
        fail_transport(received.error);
        return Step::failed;
    }
    head_.append(loop_.scratch.bytes.data(), received.bytes);
    if (head_.size() > max_head_bytes)
        return refuse("its head is too long");
    return Step::done;
}

awaitable<bool> HttpClient::handshake()
{
    phase_ = Phase::tls;
    const auto begin = Clock::now();
    auto* ssl = destination_.tls == nullptr
                    ? nullptr
                    : destination_.tls->session(destination_.endpoint.host, destination_.endpoint.port);
    if (ssl == nullptr)
        co_return fail(Cause::transport, {}, "TLS cannot be set up");
    connection_->start_tls(ssl);
    const auto error = co_await shake_hands(*connection_);
    waited_ += Clock::now() - begin;
    if (!error)
        co_return true;
    fail(Cause::transport, error, TlsClient::describe_failure(ssl));
    failure_->may_pass = error.category() == boost::system::system_category() || error == asio::error::eof;
    co_return false;
}

}  // namespace route::net
