#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/net/client.hpp"
#include "core/net/message_parser.hpp"
#include "core/settings.hpp"

namespace route::net {

/// A client's request: the head parsed in place, the body whole.
struct Request
{
    std::string head;  ///< the parser's views point into it
    std::optional<RequestParser> parser;
    std::string_view path;   ///< "/v1/chat/completions"
    std::string_view query;  ///< with its '?', or empty
    std::string body;        ///< with body_padding bytes of capacity behind its end
    bool body_read = false;
    TimePoint started;  ///< when the head was complete

    const HeaderFields& fields() const { return parser->fields(); }
    bool http10() const { return parser->version() < 11; }
    bool head_only() const { return parser->method() == "HEAD"; }
};

enum class ReadOutcome
{
    whole,
    closed,      ///< the client ended the connection
    idle,        ///< nothing came within keep_alive: close without a word
    timed_out,   ///< 408
    malformed,   ///< 400
    too_large,   ///< 431 for heads, 413 for bodies
    overloaded,  ///< 503: the router holds as much as it may
};

/// Reads the next head out of the client's input. `first` says that the connection is new. `waiting` is set
/// while nothing of a next request has arrived.
awaitable<ReadOutcome> read_request_head(Client& client, Request& request, const ServerSettings& settings,
                                         bool first, bool& waiting);

/// Why a parsed head is refused all the same (RFC 9112 3.2, 9110 7.2; dot segments): a sentence, or empty.
/// Sets path and query.
std::string_view check_request_head(Request& request);

/// Bytes held by all requests of the process, and how many of them are this request's.
struct BufferAccount
{
    std::atomic<std::uint64_t>& all;
    std::uint64_t most;  ///< of all
    std::uint64_t held = 0;

    /// Counts `bytes` more; false when that is more than there may be.
    bool add(std::uint64_t bytes);
    void release();
};

/// Reads and decodes the body, `limit` bytes at most.
awaitable<ReadOutcome> read_request_body(Client& client, Request& request, std::uint64_t limit,
                                         Seconds silence, BufferAccount& account);

}  // namespace route::net
