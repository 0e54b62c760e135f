#pragma once

#include <boost/system/error_code.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "core/record.hpp"

namespace route {

/// Where an attempt was when it ended.
enum class Phase
{
    resolve,
    connect,
    proxy,
    tls,
    write_request,
    await_head,
    await_first_event,
    relay_body
};
std::string_view to_string(Phase phase);

/// What ended it.
enum class Cause
{
    transport,     ///< refused, reset, unreachable, no such name: `error` says which
    timeout,       ///< the deadline of the phase passed
    eof,           ///< the upstream closed too early
    bad_reply,     ///< not valid HTTP, a 101 nobody asked for, too many 1xx, a bad chunk
    status,        ///< a whole head with a status that is a failure
    error_event,   ///< a stream that holds an error before its first content
    error_body,    ///< a whole reply that is an error in spite of its status
    empty,         ///< a stream that ended with no event, a body without a byte
    blank,         ///< an answer without content that ended by itself
    no_answer,     ///< a reply without anything of an answer: HTML, other JSON, a stream that ends in its
                   ///< preamble
    not_a_stream,  ///< a whole reply, where the client was told that a stream comes
    superseded,    ///< another upstream, asked beside it, was ready first
    client_gone,   ///< the client went away: nobody waits for the rest
    stopped,       ///< the router is stopping
};

/// An attempt that did not succeed, as a value the policy can read and a test can make.
struct AttemptFailure
{
    Phase phase = Phase::connect;
    Cause cause = Cause::transport;
    boost::system::error_code error;      ///< what the transport said
    std::optional<unsigned> status = {};  ///< the upstream's status, when its head came
    std::string detail =
        {};  ///< for people, without secrets: "certificate has expired", or the upstream's own words
    bool response_begun = false;  ///< a byte of a response came, so the connection was alive
    bool may_pass = false;  ///< of an error event or body: it says so of itself; of a TLS handshake: its
                            ///< connection broke
};

/// Where a further try of a request may help after a failure (SPEC 5, point 7).
enum class FurtherTry
{
    none,           ///< what failed stays: a timeout, a refused key, a name that does not exist
    in_next_round,  ///< not at the same upstream at once: an answer without content
    at_once,        ///< refused, reset, cut, overloaded
};
FurtherTry further_try(const AttemptFailure& failure);

/// What the router knows when it judges a failure.
struct Progress
{
    bool try_left = false;       ///< another try is due
    bool response_kept = false;  ///< a failed attempt left a whole response that may be relayed
};

enum class Verdict
{
    next_try,    ///< of the next upstream, or of the same one again
    relay_kept,  ///< answer with the last kept response
    respond,     ///< answer with an error of the router's own (502)
    abandon,     ///< nobody is there to answer
};
/// Of a failure before commit: after it nothing is tried again.
Verdict judge(const AttemptFailure& failure, const Progress& progress);

/// 2xx, 304, or a 101 that was asked for.
bool status_succeeds(unsigned status, bool upgrade_requested);

/// Column `outcome` of `attempts`. What a proxy answers to CONNECT is a failure to connect.
AttemptOutcome outcome_of(const AttemptFailure& failure);

/// A few words for `error`, messages and the 502: "no response headers in time", "connection refused",
/// "status 429: Rate limit reached". Names no key and no URL.
std::string describe(const AttemptFailure& failure);

/// Whether it counts towards the upstream's cooldown: all but 4xx other than 401, 403, 408, 429, and
/// 401/403/429 of an `asis` upstream; never client_gone and stopped.
bool counts_for_cooldown(const AttemptFailure& failure, bool asis);

/// Whether a reply of that status may say for how long its upstream is to be left alone: 429, 503 and 529.
bool may_ask_to_wait(unsigned status);

/// Whether a failed reply may be kept to be relayed as the last response: any status but 401 and 403 (`asis`
/// excepted) and 1xx.
bool may_be_relayed(unsigned status, bool asis);

/// A reused connection that died before the first byte of a response is replaced by a fresh one, once,
/// without counting as an attempt.
bool replace_connection(const AttemptFailure& failure, bool reused, bool already_replaced);

}  // namespace route
