#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <string>

#include "core/net/waiting/asio.hpp"
#include "core/result.hpp"

namespace route::net {

/// One question to a process on this machine: HTTP over a Unix socket, with and without a body.
struct LocalRequest
{
    std::string method = "GET";
    std::string target;
    std::string body = {};
};

struct LocalReply
{
    unsigned status = 200;
    std::string body;  ///< JSON
};

using LocalStream = boost::beast::basic_stream<asio::local::stream_protocol, Executor>;

/// Sends `request` over a connected stream and reads the reply, within the time the stream was given. Both
/// outlive it.
awaitable<error_code> ask(LocalStream& stream, const LocalRequest& request, LocalReply& reply);

/// Asks the process that listens at `path`; blocks for `patience` at most. Refused, with a sentence that says
/// where and why, when nobody answers there, or somebody else's process: another user may have put a socket
/// there.
Result<LocalReply> ask_local(const std::string& path, const LocalRequest& request, Clock::duration patience);

}  // namespace route::net
