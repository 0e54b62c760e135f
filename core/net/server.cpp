#include "core/net/server.hpp"

#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "core/net/session.hpp"
#include "core/net/transport/listener_of.hpp"

namespace route::net {

namespace {

using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

constexpr int accepted_in_a_row = 64;

unsigned usable_cpus()
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    if (::sched_getaffinity(0, sizeof cpus, &cpus) == 0 && CPU_COUNT(&cpus) > 0)
        return static_cast<unsigned>(CPU_COUNT(&cpus));
    return std::max(1u, std::thread::hardware_concurrency());
}

std::string to_text(const tcp::endpoint& endpoint)
{
    const auto address = endpoint.address();
    const auto host = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
    return host + ":" + std::to_string(endpoint.port());
}

bool out_of_descriptors(error_code error)
{
    return error == boost::system::errc::too_many_files_open ||
           error == boost::system::errc::too_many_files_open_in_system ||
           error == boost::system::errc::no_buffer_space || error == boost::system::errc::not_enough_memory;
}

}  // namespace

Acceptor::Acceptor(EventLoop& loop)
    : loop_{loop}, acceptor_{loop.io.get_executor()}, pause_{loop.io.get_executor()}
{
}

/// Two listening sockets of one address conflict unless both have SO_REUSEPORT: the one that is to be alone
/// has not until it listens, so that of two routers that start together one fails.
error_code Acceptor::try_to_listen(const tcp::endpoint& endpoint, bool only_v6, Listening listening)
{
    error_code error;
    error_code ignored;
    acceptor_.close(ignored);
    acceptor_.open(endpoint.protocol(), error);
    if (error)
        return error;
    if (endpoint.address().is_v6())
        acceptor_.set_option(asio::ip::v6_only{only_v6}, ignored);
    acceptor_.set_option(asio::socket_base::reuse_address{true}, ignored);
    acceptor_.set_option(ReusePort{listening == Listening::together}, ignored);
    // What is accepted inherits these: small writes go at once, a read does not end at an urgent mark, a
    // client that has vanished is noticed.
    acceptor_.set_option(tcp::no_delay{true}, ignored);
    acceptor_.set_option(asio::socket_base::out_of_band_inline{true}, ignored);
    notice_vanished_peer(acceptor_.native_handle());
    acceptor_.bind(endpoint, error);
    if (!error)
        acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (!error && listening == Listening::alone)
        acceptor_.set_option(ReusePort{true}, error);
    acceptor_.native_non_blocking(true, ignored);
    return error;
}

Result<tcp::endpoint> Acceptor::listen(const ListenAddress& address, Listening listening)
{
    const bool any = address.host.empty();
    tcp::endpoint endpoint{asio::ip::address_v6::any(), address.port};
    if (!any)
        endpoint.address(asio::ip::make_address(address.host));
    auto error = try_to_listen(endpoint, !any, listening);
    if (any && error && error != asio::error::address_in_use && error != asio::error::access_denied) {
        endpoint.address(asio::ip::address_v4::any());  // a machine without IPv6
        error = try_to_listen(endpoint, !any, listening);
    }
    if (!error) {
        loop_.services.open_listeners.fetch_add(1, std::memory_order_relaxed);
        return acceptor_.local_endpoint();
    }
    auto problem = "cannot listen on " + to_text(endpoint) + ": ";
    if (error != asio::error::address_in_use)
        return Invalid{problem + error.message()};
    const auto other = listener_of(endpoint.port());
    problem += "address in use" + (other.empty() ? "" : " by " + other);
    if (listening == Listening::alone)
        problem += "; --handover starts beside a router that is to drain";
    return Invalid{problem};
}

void Acceptor::start()
{
    asio::co_spawn(loop_.io.get_executor(), accept_all(), asio::detached);
}

void Acceptor::drain()
{
    draining_ = true;
    if (acceptor_.is_open() && accept_some() == Accepted::all)
        close();
    error_code ignored;
    acceptor_.cancel(ignored);
}

void Acceptor::close()
{
    if (!acceptor_.is_open())
        return;
    error_code ignored;
    acceptor_.close(ignored);
    pause_.cancel();
    loop_.services.open_listeners.fetch_sub(1, std::memory_order_release);
}

void Acceptor::begin_session(int socket, asio::ip::address peer)
{
    try {
        auto session = std::make_unique<Session>(loop_, socket, std::move(peer));
        asio::co_spawn(loop_.io.get_executor(), run_session(std::move(session)), asio::detached);
    } catch (const std::exception& error) {
        spdlog::error("a connection cannot be served: {}", error.what());
    }
}

Acceptor::Accepted Acceptor::say_short_of(std::string_view why)
{
    // Said once, however long it lasts.
    if (!std::exchange(short_of_descriptors_, true))
        spdlog::error("cannot accept connections: {}; those who come wait until others leave", why);
    return Accepted::none;
}

/// Whether one more client needs another one's place.
bool Acceptor::is_full() const
{
    const auto& services = loop_.services;
    return loop_.strangers.count() >= services.most_strangers ||
           services.open_sessions.load(std::memory_order_relaxed) >= services.most_clients;
}

/// For one that was accepted: whoever has been silent for longest without showing a key leaves.
void Acceptor::make_room()
{
    constexpr auto quiet = std::chrono::minutes{1};
    const auto strangers = loop_.strangers.count();
    if (!is_full() || !loop_.strangers.close_longest_silent())
        return;
    const auto now = Clock::now();
    if (now < next_warning_)
        return;
    next_warning_ = now + quiet;
    spdlog::warn(
        "too many connections are open: of {} that have shown no client key those are closed that "
        "have been silent for longest",
        strangers);
}

/// Accepts those who wait, and no more than a few in a row: sessions want their turn, too.
Acceptor::Accepted Acceptor::accept_some()
{
    for (int accepted = 0; accepted < accepted_in_a_row; ++accepted) {
        if (is_full() && !loop_.strangers.can_close_one()) {
            if (loop_.strangers.count() > 0)
                return Accepted::none;  // their requests may be on their way
            return say_short_of("as many are open as there are descriptors for");
        }
        tcp::endpoint peer;
        auto size = static_cast<socklen_t>(peer.capacity());
        const int socket =
            ::accept4(acceptor_.native_handle(), peer.data(), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (socket < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            // Not before all are in: while strangers make room one by one it is short of descriptors all
            // along.
            if (std::exchange(short_of_descriptors_, false))
                spdlog::warn("connections are accepted again");
            return Accepted::all;
        }
        const error_code error{socket < 0 ? errno : 0, boost::system::system_category()};
        if (out_of_descriptors(error) && loop_.strangers.close_longest_silent())
            continue;
        if (out_of_descriptors(error))
            return say_short_of(error.message());
        if (error)
            continue;  // that client left before it was accepted
        peer.resize(size);
        make_room();
        begin_session(socket, peer.address());
    }
    return Accepted::some;
}

/// Ends without a word when drain() or close() want it to.
awaitable<void> Acceptor::wait_for_clients()
{
    try {
        auto ready = acceptor_.async_wait(asio::socket_base::wait_read, asio::deferred);
        co_await std::move(ready);
    } catch (const boost::system::system_error&) {
        co_return;
    }
}

awaitable<void> Acceptor::wait_for_descriptors()
{
    pause_.expires_after(std::chrono::milliseconds{100});
    try {
        auto passed = pause_.async_wait(asio::deferred);
        co_await std::move(passed);
    } catch (const boost::system::system_error&) {
        co_return;
    }
}

awaitable<void> Acceptor::accept_all()
{
    // Those who come during a drain are others' to serve: no more of them than can have waited before.
    int turns_left = asio::socket_base::max_listen_connections / accepted_in_a_row;
    while (acceptor_.is_open()) {
        if (!draining_)
            co_await wait_for_clients();
        if (!acceptor_.is_open())
            break;
        const auto accepted = accept_some();
        if (accepted == Accepted::none) {
            co_await wait_for_descriptors();
        } else if (draining_ && (accepted == Accepted::all || --turns_left <= 0)) {
            close();
        } else if (draining_) {
            auto turn = asio::post(loop_.io.get_executor(), asio::deferred);
            co_await std::move(turn);
        }
    }
}

Result<std::unique_ptr<Server>> Server::listen(Services& services, const RoutingTablePtr& table,
                                               const ListenAddress& address, unsigned threads,
                                               Listening listening)
{
    std::unique_ptr<Server> server{new Server{services}};
    auto where = address;
    const auto count = threads == 0 ? usable_cpus() : threads;
    services.most_strangers =
        std::max<std::size_t>(static_cast<std::size_t>(services.most_clients) / 2 / count, 1);
    for (unsigned i = 0; i < count; ++i) {
        auto loop = std::make_unique<EventLoop>(services, table);
        auto acceptor = std::make_unique<Acceptor>(*loop);
        const auto endpoint = acceptor->listen(where, i == 0 ? listening : Listening::together);
        if (!endpoint)
            return endpoint.error();
        server->endpoint_ = *endpoint;
        where.port = endpoint->port();  // port 0: the others share what the first one got
        server->loops_.push_back(std::move(loop));
        server->acceptors_.push_back(std::move(acceptor));
    }
    return server;
}

Server::~Server()
{
    stop();
    join();
    acceptors_.clear();
}

void Server::start()
{
    for (std::size_t i = 0; i < loops_.size(); ++i) {
        acceptors_[i]->start();
        threads_.emplace_back([&loop = *loops_[i]] { loop.run(); });
    }
}

void Server::set_routing(const RoutingTablePtr& table)
{
    for (auto& loop : loops_)
        loop->post([&each = *loop, table] { each.routing = table; });
}

void Server::drain()
{
    services_.draining = true;
    for (std::size_t i = 0; i < loops_.size(); ++i)
        loops_[i]->post([&loop = *loops_[i], &acceptor = *acceptors_[i]] {
            acceptor.drain();
            loop.drain();
        });
}

bool Server::drained() const
{
    // A listener closes after the last session it made has begun.
    return services_.open_listeners.load(std::memory_order_acquire) == 0 &&
           services_.open_sessions.load() == 0;
}

void Server::stop()
{
    services_.draining = true;
    for (std::size_t i = 0; i < loops_.size(); ++i)
        loops_[i]->post([&loop = *loops_[i], &acceptor = *acceptors_[i]] {
            acceptor.close();
            loop.stop();
        });
}

void Server::join()
{
    for (auto& thread : threads_)
        if (thread.joinable())
            thread.join();
}

}  // namespace route::net
