#include "core/net/transport/local_client.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "core/net/transport/local_name.hpp"

namespace route::net {

namespace {

constexpr std::uint64_t most_reply = 32u << 20;

/// Who listens at the other end (SO_PEERCRED, unix(7)).
ucred peer_of(LocalStream& stream)
{
    ucred peer = {};
    socklen_t size = sizeof peer;
    if (::getsockopt(stream.socket().native_handle(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        peer = {0, static_cast<uid_t>(-1), static_cast<gid_t>(-1)};
    return peer;
}

bool may_be_told(const ucred& peer)
{
    return peer.uid == ::geteuid() || peer.uid == 0 || ::geteuid() == 0;
}

struct Asking
{
    const std::string& path;
    const LocalName& name;
    const LocalRequest& request;
    LocalStream& stream;
    Result<LocalReply> answer = Invalid{};
};

std::string why(error_code error, const ucred& peer)
{
    const auto who = "process " + std::to_string(peer.pid);
    if (error == boost::beast::error::timeout)
        return who + " does not answer there";
    return who + " answers there, but not as a router does: " + error.message();
}

awaitable<void> connect_and_ask(Asking& asking)
{
    auto connecting = asking.stream.async_connect(asking.name.endpoint(), as_result);
    const auto [refused] = co_await std::move(connecting);
    if (refused) {
        const bool nobody = refused == asio::error::connection_refused;
        asking.answer =
            Invalid{asking.path + ": " + (nobody ? std::string{"nobody answers there"} : refused.message())};
        co_return;
    }
    const auto peer = peer_of(asking.stream);
    if (!may_be_told(peer)) {
        asking.answer = Invalid{asking.path + ": a process of another user answers there"};
        co_return;
    }
    LocalReply reply;
    auto answering = ask(asking.stream, asking.request, reply);
    const auto error = co_await std::move(answering);
    if (error)
        asking.answer = Invalid{asking.path + ": " + why(error, peer)};
    else
        asking.answer = std::move(reply);
}

}  // namespace

awaitable<error_code> ask(LocalStream& stream, const LocalRequest& request, LocalReply& reply)
{
    http::request<http::string_body> message;
    message.method_string(request.method);
    message.target(request.target);
    message.version(11);
    message.set(http::field::host, "router");
    message.keep_alive(false);
    message.body() = request.body;
    message.prepare_payload();
    auto writing = http::async_write(stream, message, as_result);
    const auto [not_sent, sent] = co_await std::move(writing);
    if (not_sent)
        co_return not_sent;
    boost::beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(most_reply);
    auto reading = http::async_read(stream, buffer, parser, as_result);
    const auto [not_read, read] = co_await std::move(reading);
    if (not_read)
        co_return not_read;
    reply.status = parser.get().result_int();
    reply.body = std::move(parser.get().body());
    co_return error_code{};
}

Result<LocalReply> ask_local(const std::string& path, const LocalRequest& request, Clock::duration patience)
{
    const auto name = LocalName::open(path);
    if (!name)
        return name.error();
    if (!name->look())
        return Invalid{"there is no socket " + path};
    asio::io_context io{1};
    LocalStream stream{io.get_executor()};
    stream.expires_after(patience);
    Asking asking{path, *name, request, stream};
    asio::co_spawn(io.get_executor(), connect_and_ask(asking), asio::detached);
    io.run();
    return std::move(asking.answer);
}

}  // namespace route::net
