#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/net/http/client.hpp"
#include "core/net/http/message_parser.hpp"
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
    std::uint64_t framing_bytes = 0;  ///< of the body's chunks, so far
    TimePoint started;                ///< when the head was complete

    const HeaderFields& fields() const { return parser->fields(); }
    bool http10() const { return parser->version() < 11; }
    bool head_only() const { return parser->method() == "HEAD"; }
    bool asks_for_websocket() const;  ///< RFC 6455 4.1
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

struct HeadLimits
{
    Seconds header_timeout;  ///< for a head that has begun, and for the first one of a connection
    Seconds keep_alive;      ///< until the next one begins
};

/// Reads the next head out of the client's input. Never waits itself: while step() gives nothing, await
/// that the connection is readable.
class HeadReader
{
  public:
    /// `first` says that the connection is new.
    HeadReader(Client& client, Request& request, HeadLimits limits, bool first);

    std::optional<ReadOutcome> step();

    /// Nothing of the next request has arrived.
    bool waiting() const { return waiting_; }

  private:
    std::optional<ReadOutcome> look();
    ReadOutcome parse(std::size_t length);

    Client& client_;
    Request& request_;
    HeadLimits limits_;
    std::size_t searched_ = 0;  ///< bytes of the input without the head's end
    bool first_;
    bool waiting_;
    bool begun_ = false;              ///< the first bytes have just come
    TimePoint since_ = Clock::now();  ///< empty lines do not make it wait longer
};

/// Why a parsed head is refused all the same (RFC 9112 3.2, 9110 7.2; dot segments): a sentence, or empty.
/// Sets path and query.
std::string_view check_request_head(Request& request);

struct BodyLimits
{
    /// Bytes a second that a body has to come at, on the whole, once `silence` has passed.
    static constexpr double slowest = 4096;

    std::uint64_t size;  ///< bytes at most
    Seconds silence;     ///< longest while it comes
};

/// Reads and decodes the body, and has head and body counted in `account`: what has come, not what was
/// announced. Never waits itself, like HeadReader.
class BodyReader
{
  public:
    BodyReader(Client& client, Request& request, BodyLimits limits, BufferAccount& account)
        : client_{client}, request_{request}, limits_{limits}, account_{account}
    {
    }

    std::optional<ReadOutcome> step();

  private:
    std::optional<ReadOutcome> take_in();
    bool make_room(std::size_t size);
    TimePoint latest() const;

    Client& client_;
    Request& request_;
    BodyLimits limits_;
    BufferAccount& account_;
};

}  // namespace route::net
