#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/failover/failover_policy.hpp"
#include "core/http/reply_kind.hpp"
#include "core/openai/answer_signs.hpp"
#include "core/openai/api.hpp"
#include "core/openai/event_signs.hpp"

namespace route {

/// A reply whose status succeeds, as its head shows it.
struct ReplyHead
{
    unsigned status = 200;
    bool head_only = false;  ///< the answer to HEAD
    Api api = Api::other;
    bool stream_asked = false;  ///< the request asked for a stream
};

/// What was seen so far of its body.
struct ReplyProgress
{
    ReplyKind label = ReplyKind::other;  ///< what its Content-Type says
    std::optional<ReplyKind> kind;       ///< what its bytes say; none while they do not
    bool legible = true;                 ///< false: encoded in a way that is not read
    bool encoded = false;                ///< it has a content coding
    bool complete = false;               ///< it has ended, and as its framing says
    StreamSigns stream;                  ///< of an event stream
    Answer answer = Answer::none;     ///< of complete JSON that is legible and no longer than `reply_buffer`
    std::uint64_t bytes = 0;          ///< of the body, as they came
    std::uint64_t content_bytes = 0;  ///< of them without their coding, as far as they were read
};

/// What time and memory say.
struct CommitPressure
{
    bool commit_after_passed = false;
    bool first_content_passed =
        false;                  ///< the limit of a stream's wait for its first content, if there is one
    bool memory_short = false;  ///< `max_buffered` is reached
};

/// How long a reply is held back.
struct CommitRules
{
    std::uint64_t reply_buffer = 1ull << 20;
    bool first_content_limited = false;  ///< `commit_after` does not count for streams
    bool streams_whole = false;          ///< `commit = "complete"`
    bool streams_only = false;           ///< the client was told that a stream comes, and got nothing else
};

/// Bytes of a stream that is held until it is whole.
constexpr std::uint64_t most_held_stream = 32ull << 20;

/// Hold the reply back, commit it, or fail the attempt.
struct CommitDecision
{
    enum class Kind
    {
        hold,
        commit,
        fail,
    };
    Kind kind = Kind::hold;
    Cause cause = Cause::no_answer;  ///< of a failure
    std::string_view detail = {};    ///< for people, where the reply has no words of its own

    bool operator==(const CommitDecision&) const = default;
};

/// SPEC 5, points 2 and 5. Pure. To be asked again when more of the reply was seen or some time is over,
/// until it no longer says `hold`.
CommitDecision decide_commit(const ReplyHead& head, const ReplyProgress& reply,
                             const CommitPressure& pressure, const CommitRules& rules);

}  // namespace route
