// When a reply is committed, and when it is none.
#include "core/failover/commit_policy.hpp"

namespace route {
namespace {

constexpr CommitDecision hold{CommitDecision::Kind::hold};
constexpr CommitDecision commit{CommitDecision::Kind::commit};

constexpr CommitDecision fail(Cause cause, std::string_view detail = {})
{
    return {CommitDecision::Kind::fail, cause, detail};
}

constexpr std::string_view no_content = "no content in time";

constexpr CommitDecision commit_if(bool ready)
{
    return ready ? commit : hold;
}

bool has_no_body(const ReplyHead& head)
{
    return head.head_only || head.status < 200 || head.status == 204 || head.status == 304;
}

/// A stream that has said all it will, without content.
CommitDecision without_content(const StreamSigns& stream)
{
    if (stream.ending == Ending::natural)
        return fail(Cause::blank);
    if (stream.data)
        return fail(Cause::no_answer, "the stream ended before its first content");
    return fail(Cause::empty);
}

/// Of a path that does not answer: any event is what was asked for.
CommitDecision judge_other(const ReplyProgress& reply, const CommitPressure& pressure,
                           const CommitRules& rules)
{
    const auto kind = reply.kind.value_or(reply.label);
    const bool stream = kind == ReplyKind::event_stream;
    if (stream && reply.stream.error_first)
        return fail(Cause::error_event);
    if (stream && reply.stream.data)
        return commit;
    if (stream && reply.legible && reply.complete)
        return fail(Cause::empty);
    if (reply.complete || pressure.commit_after_passed || pressure.memory_short)
        return commit;
    const bool held = kind == ReplyKind::json || (stream && reply.legible);
    return commit_if(held ? reply.bytes >= rules.reply_buffer : reply.bytes > 0);
}

CommitDecision judge_whole_stream(const ReplyProgress& reply, const CommitPressure& pressure)
{
    const auto& stream = reply.stream;
    if (stream.broken)
        return fail(Cause::bad_reply, "an event is not JSON");
    if (stream.late_error)
        return fail(Cause::error_event);
    if ((stream.end || reply.complete) && !stream.answered())
        return without_content(stream);
    if (stream.end || (reply.complete && stream.choices_finished()))
        return commit;
    if (reply.complete)
        return fail(Cause::eof);
    return commit_if(pressure.memory_short || reply.bytes >= most_held_stream);
}

CommitDecision judge_stream(const ReplyProgress& reply, const CommitPressure& pressure,
                            const CommitRules& rules)
{
    const auto& stream = reply.stream;
    if (stream.error)
        return fail(Cause::error_event);
    // What it said before it could not be read any more counts.
    if (!reply.legible && !stream.end && reply.bytes > 0)
        return commit;
    if (pressure.first_content_passed && !stream.answered())
        return fail(Cause::timeout, no_content);
    if (rules.streams_whole)
        return judge_whole_stream(reply, pressure);
    if (stream.answered())
        return commit;
    if (stream.end || reply.complete)
        return without_content(stream);
    const bool late = pressure.commit_after_passed && !rules.first_content_limited;
    return commit_if(late || pressure.memory_short || reply.bytes >= rules.reply_buffer);
}

CommitDecision judge_json(const ReplyProgress& reply, const CommitPressure& pressure,
                          const CommitRules& rules)
{
    const bool full = reply.bytes >= rules.reply_buffer;
    if (!reply.complete || full || !reply.legible)
        return commit_if(full || reply.complete || pressure.commit_after_passed || pressure.memory_short);
    switch (reply.answer) {
        case Answer::content:
            return commit;
        case Answer::blank:
            return fail(Cause::blank);
        case Answer::error:
            return fail(Cause::error_body);
        case Answer::none:
            break;
    }
    return fail(Cause::no_answer, "JSON without an answer");
}

/// Nothing shows yet what it is.
CommitDecision judge_unknown(const ReplyHead& head, const ReplyProgress& reply,
                             const CommitPressure& pressure, const CommitRules& rules)
{
    if (reply.label == ReplyKind::json)
        return judge_json(reply, pressure, rules);
    const bool stream = reply.label == ReplyKind::event_stream || head.stream_asked;
    if (stream && pressure.first_content_passed)
        return fail(Cause::timeout, no_content);
    const bool limited = stream && (rules.first_content_limited || rules.streams_whole);
    return commit_if(pressure.memory_short || (pressure.commit_after_passed && !limited));
}

CommitDecision decide(const ReplyHead& head, const ReplyProgress& reply, const CommitPressure& pressure,
                      const CommitRules& rules)
{
    if (has_no_body(head))
        return commit;
    if (!answers(head.api))
        return judge_other(reply, pressure, rules);
    const bool empty = reply.bytes == 0 || (reply.legible && reply.content_bytes == 0);
    if (reply.complete && empty && reply.label != ReplyKind::event_stream)
        return fail(Cause::empty, "empty reply");
    if (!reply.kind)
        return judge_unknown(head, reply, pressure, rules);
    switch (*reply.kind) {
        case ReplyKind::event_stream:
            return judge_stream(reply, pressure, rules);
        case ReplyKind::json:
            return judge_json(reply, pressure, rules);
        case ReplyKind::html:
            return fail(Cause::no_answer, "an HTML page");
        case ReplyKind::text:
            if (!answers_with_text(head.api))
                return fail(Cause::no_answer, "plain text");
            break;
        case ReplyKind::other:
            break;
    }
    return commit_if(reply.bytes > 0 || reply.complete || pressure.commit_after_passed ||
                     pressure.memory_short);
}

}  // namespace

CommitDecision decide_commit(const ReplyHead& head, const ReplyProgress& reply,
                             const CommitPressure& pressure, const CommitRules& rules)
{
    auto pressing = pressure;
    if (rules.streams_only)
        pressing.commit_after_passed = false;  // nobody waits for the head
    const auto decision = decide(head, reply, pressing, rules);
    // The reply's own head can not be sent any more.
    const bool fits = reply.kind == ReplyKind::event_stream && !reply.encoded && !has_no_body(head);
    if (rules.streams_only && decision.kind == CommitDecision::Kind::commit && !fits)
        return fail(Cause::not_a_stream);
    return decision;
}

}  // namespace route
