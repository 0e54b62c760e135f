#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/id_hash.hpp"

namespace route {

using SystemTime = std::chrono::system_clock::time_point;
using Nanoseconds = std::chrono::nanoseconds;

/// How a request ended; column `outcome` of `records`.
enum class RequestOutcome
{
    ok,
    upstream_error,
    timeout,
    truncated,
    client_closed,
    rejected
};
std::string_view to_string(RequestOutcome outcome);

/// How one try of one upstream ended; column `outcome` of `attempts`.
enum class AttemptOutcome
{
    ok,
    status,
    connect,
    tls,
    timeout,
    cut,
    empty,
    error_event,
    error_body,
    blank,
    no_answer,
    not_a_stream,
    superseded,
    client_closed
};
std::string_view to_string(AttemptOutcome outcome);

struct AttemptRecord
{
    int number = 1;
    std::int64_t upstream_id = 0;  ///< 0: of the configuration file, stored as NULL
    std::string upstream_name;
    SystemTime started_at{};
    std::optional<unsigned> status;
    AttemptOutcome outcome = AttemptOutcome::ok;
    std::string error;
    std::optional<Nanoseconds> first_byte_time;
    Nanoseconds elapsed_time{};

    bool operator==(const AttemptRecord&) const = default;
};

/// What a reply said and cost, from its events or its JSON.
struct ReplySummary
{
    std::string text;
    bool text_cut = false;  ///< longer than the limit given
    std::optional<std::int64_t> prompt_tokens;
    std::optional<std::int64_t> completion_tokens;
    std::optional<std::int64_t> total_tokens;
    std::string finish_reason;
};

/// The reply as the event loop leaves it to the record writer.
struct ReplyCapture
{
    enum class Kind
    {
        none,       ///< no reply, or responses are not recorded: `response` stays as it is
        summary,    ///< a stream: `summary` is complete
        json,       ///< a whole JSON body in `raw`, still to be read
        long_json,  ///< a JSON body too long to hold, still to be read: its beginning in `raw`, and `digest`
        text,       ///< other textual body, possibly cut, in `raw`
        binary,     ///< `[content-type, N bytes]`
    };
    Kind kind = Kind::none;
    std::string content_type;  ///< or the coding, of bytes whose coding was not taken off
    std::string raw;           ///< without its content coding
    bool raw_cut = false;      ///< `raw` is the beginning only
    std::string digest;        ///< as JsonDigest makes it
    bool digest_whole = false;
    bool digest_cut = false;
    ReplySummary summary;
    IdHashes made_ids;  ///< of what the reply made, for Record::made_ids

    /// Empties it; its strings keep their memory.
    void clear();
    void swap(ReplyCapture& other) noexcept;
};

class SecretEraser;

/// A key that must not be told to anybody.
using Secret = std::shared_ptr<const std::string>;

/// The row kept for one client request; columns of `records` bear the same names. Made on an event loop, then
/// moved to the record writer, whose complete_record() does what would cost the loop time.
struct Record
{
    std::string request_id;  ///< UUIDv7, 36 characters
    std::string client_request_id;
    SystemTime created_at{};
    std::string node;
    std::string ip;
    std::string key_name;
    std::string user_agent;
    std::string method;
    std::string path;  ///< without the query, which may hold a key
    std::optional<std::string> model;
    bool stream = false;
    std::string body;
    std::string body_content_type;
    std::uint64_t body_bytes = 0;
    unsigned status = 0;
    RequestOutcome outcome = RequestOutcome::ok;
    std::string error;
    std::int64_t upstream_id =
        0;  ///< of the attempt whose reply was sent; 0: none, or of the configuration file
    std::string upstream_name;
    std::string upstream_endpoint;
    std::vector<AttemptRecord> attempts;
    std::string response;
    std::uint64_t response_bytes = 0;
    std::optional<Nanoseconds> response_time;  ///< to the first byte sent
    Nanoseconds elapsed_time{};
    std::optional<std::int64_t> prompt_tokens;
    std::optional<std::int64_t> completion_tokens;
    std::optional<std::int64_t> total_tokens;
    std::string finish_reason;
    std::string trace_id;  ///< W3C Trace Context: 32 lower-case hex digits; "" without one

    /// Of what the upstream made for it; rows of `made_by`.
    IdHashes made_ids;

    // Not stored.
    ReplyCapture reply;
    bool body_cut = false;  ///< the loop kept the beginning of `body` only
    bool authenticated =
        false;  ///< only authenticated requests are stored; the others are logged and counted
    /// Time in the router itself: waiting neither for the client nor for an upstream. None of a response over
    /// a WebSocket.
    std::optional<Nanoseconds> overhead;
    std::string hedged_upstream;      ///< asked beside the first one; "": none was
    bool hedge_won = false;           ///< its reply was the one that was sent
    bool asked_together = false;      ///< the attempts were not one after another
    std::vector<Secret> client_keys;  ///< as the client sent them
    std::shared_ptr<const SecretEraser>
        upstream_secrets;  ///< keys and proxy credentials of all upstreams; may be null

    /// Empties it; its strings keep their memory, so that a record that is used again costs no allocation.
    void clear();

    /// Exchanges all of it, the memory of the strings included.
    void swap(Record& other) noexcept;

    /// Bytes it holds in memory, for the bounds of queues.
    std::size_t memory() const;
};

struct RecordLimits
{
    bool request_body = true;
    std::uint64_t max_request_body = 512ull << 10;
    bool response = true;
    std::uint64_t max_response = 512ull << 10;
};

/// Whether the body of a stored record is all of what came: neither cut nor a mark in place of it.
bool is_body_whole(const Record& record);

/// Turns what the loop left into what is stored: erases the keys, reads the JSON reply (text, tokens, finish
/// reason), cuts both bodies at their limits at a character boundary and marks the cut (`… [cut, N bytes]`),
/// replaces a body that is not UTF-8 by `[content-type, N bytes]`, and NUL and invalid bytes in every text by
/// U+FFFD. Without the memory for that the record loses all text from outside, and its `error` says so.
/// Idempotent. Pure; throws nothing; runs on the writer's thread.
void complete_record(Record& record, const RecordLimits& limits);

}  // namespace route
