#include "core/failover/commit_policy.hpp"

#include <array>
#include <optional>
#include <ostream>
#include <string_view>
#include <vector>

#include "tests/support/catch.hpp"

using namespace route;

namespace route {

std::ostream& operator<<(std::ostream& out, const CommitDecision& decision)
{
    return out << static_cast<int>(decision.kind) << " cause " << static_cast<int>(decision.cause);
}

}  // namespace route

namespace {

using Kind = CommitDecision::Kind;

constexpr std::uint64_t small = 10;
constexpr std::uint64_t buffer = 1000;

/// Everything that has a say.
struct Situation
{
    ReplyHead head{200, false, Api::chat_completions};
    ReplyProgress reply;
    CommitPressure pressure;
    CommitRules rules{buffer, false, false};
};

struct Expected
{
    Kind kind;
    std::optional<Cause> cause = {};
};
constexpr Expected holds{Kind::hold};
constexpr Expected commits{Kind::commit};
constexpr Expected fails(Cause cause)
{
    return {Kind::fail, cause};
}

bool agree(const CommitDecision& decision, const Expected& expected)
{
    return decision.kind == expected.kind && (!expected.cause || *expected.cause == decision.cause);
}

CommitDecision decide(const Situation& now)
{
    return decide_commit(now.head, now.reply, now.pressure, now.rules);
}

/// What a stream can have shown, and what else there is: each true or false.
enum Fact : std::size_t
{
    data,
    content,
    error,
    late_error,
    natural,
    excused,
    end,
    broken,
    complete,
    full,
    commit_after,
    first_content,
    short_of_memory,
    limited,
    whole,
    facts
};
using Facts = std::array<bool, facts>;

/// The first row counts whose facts are all so.
struct Rule
{
    std::string_view name;
    std::vector<std::pair<Fact, bool>> when;
    Expected then;
    mutable bool met = false;

    bool holds_for(const Facts& all) const
    {
        for (const auto& [fact, value] : when)
            if (all[fact] != value)
                return false;
        return true;
    }
};

/// Facts that cannot go together.
bool possible(const Facts& all)
{
    const bool answered = all[content] || all[excused];
    return !(all[natural] && all[excused]) &&
           (all[data] || !(all[content] || all[error] || all[natural] || all[excused] || all[broken])) &&
           (answered || !all[late_error]);
}

Situation situation_of(const Facts& all)
{
    Situation now;
    now.reply.label = ReplyKind::event_stream;
    now.reply.kind = ReplyKind::event_stream;
    auto& stream = now.reply.stream;
    stream.data = all[data];
    stream.content = all[content];
    stream.error = all[error];
    stream.late_error = all[late_error];
    stream.end = all[end];
    stream.broken = all[broken];
    stream.ending = all[natural] ? Ending::natural : all[excused] ? Ending::excused : Ending::none;
    now.reply.complete = all[complete];
    now.reply.bytes = now.reply.content_bytes = all[full] ? buffer : small;
    now.pressure = {all[commit_after], all[first_content], all[short_of_memory]};
    now.rules = {buffer, all[limited], all[whole]};
    return now;
}

void check_every_combination(const std::vector<Rule>& rules)
{
    for (std::size_t bits = 0; bits < (1u << facts); ++bits) {
        Facts all{};
        for (std::size_t fact = 0; fact < facts; ++fact)
            all[fact] = (bits >> fact & 1) != 0;
        if (!possible(all))
            continue;
        const auto decision = decide(situation_of(all));
        for (const auto& rule : rules) {
            if (!rule.holds_for(all))
                continue;
            rule.met = true;
            if (!agree(decision, rule.then))
                FAIL(rule.name << ", facts " << std::hex << bits << ": " << decision);
            break;
        }
    }
    for (const auto& rule : rules) {
        CAPTURE(rule.name);
        CHECK(rule.met);
    }
}

}  // namespace

TEST_CASE("a stream of an answering path: every combination of what it showed, time and size")
{
    const std::vector<Rule> table{
        {"an error before content", {{error, true}}, fails(Cause::error_event)},
        {"no content within its limit",
         {{first_content, true}, {content, false}, {excused, false}},
         fails(Cause::timeout)},
        // Held until it is whole.
        {"whole: an event that is not JSON", {{whole, true}, {broken, true}}, fails(Cause::bad_reply)},
        {"whole: an error behind content", {{whole, true}, {late_error, true}}, fails(Cause::error_event)},
        {"whole: content and its end", {{whole, true}, {content, true}, {end, true}}, commits},
        {"whole: excused and its end", {{whole, true}, {excused, true}, {end, true}}, commits},
        {"whole: closed without an end",
         {{whole, true}, {content, true}, {complete, true}},
         fails(Cause::eof)},
        {"whole: excused, closed without an end",
         {{whole, true}, {excused, true}, {complete, true}},
         fails(Cause::eof)},
        {"whole: content, short of memory",
         {{whole, true}, {content, true}, {short_of_memory, true}},
         commits},
        {"whole: excused, short of memory",
         {{whole, true}, {excused, true}, {short_of_memory, true}},
         commits},
        {"whole: content", {{whole, true}, {content, true}}, holds},
        {"whole: excused", {{whole, true}, {excused, true}}, holds},
        {"content", {{content, true}}, commits},
        {"an ending that excuses", {{excused, true}}, commits},
        {"blank at its end", {{end, true}, {natural, true}}, fails(Cause::blank)},
        {"blank and closed", {{complete, true}, {natural, true}}, fails(Cause::blank)},
        {"its end in its preamble", {{end, true}, {data, true}}, fails(Cause::no_answer)},
        {"closed in its preamble", {{complete, true}, {data, true}}, fails(Cause::no_answer)},
        {"its end and no event", {{end, true}}, fails(Cause::empty)},
        {"closed and no event", {{complete, true}}, fails(Cause::empty)},
        {"preamble, short of memory", {{short_of_memory, true}}, commits},
        {"whole: preamble", {{whole, true}}, holds},
        {"preamble, as long as the buffer", {{full, true}}, commits},
        {"preamble, limited", {{limited, true}}, holds},
        {"preamble for too long", {{commit_after, true}}, commits},
        {"preamble", {}, holds},
    };
    check_every_combination(table);
}

TEST_CASE("a stream held until it is whole")
{
    Situation now = situation_of({});
    now.rules.streams_whole = true;
    now.reply.complete = true;
    now.reply.stream.data = now.reply.stream.content = true;
    now.reply.stream.begun.set(0).set(1);
    now.reply.stream.finished.set(0);
    CHECK(agree(decide(now), fails(Cause::eof)));
    now.reply.stream.finished.set(1);
    CHECK(agree(decide(now), commits));
    now.reply.complete = false;
    CHECK(agree(decide(now), holds));
    now.reply.bytes = most_held_stream;
    CHECK(agree(decide(now), commits));
}

TEST_CASE("a stream of another path is committed at its first event")
{
    for (std::size_t bits = 0; bits < (1u << facts); ++bits) {
        Facts all{};
        for (std::size_t fact = 0; fact < facts; ++fact)
            all[fact] = (bits >> fact & 1) != 0;
        if (!possible(all))
            continue;
        auto now = situation_of(all);
        now.head.api = Api::other;
        now.reply.stream.error_first = all[error];
        const bool late = all[commit_after] || all[short_of_memory] || all[full];
        Expected expected = late ? commits : holds;
        if (all[error])
            expected = fails(Cause::error_event);
        else if (all[data])
            expected = commits;
        else if (all[complete])
            expected = fails(Cause::empty);
        if (!agree(decide(now), expected))
            FAIL("facts " << std::hex << bits << ": " << decide(now));
    }
    SUCCEED();
}

TEST_CASE("JSON of an answering path: every combination")
{
    constexpr Answer all_answers[] = {Answer::none, Answer::blank, Answer::error, Answer::content};
    for (const auto answer : all_answers)
        for (unsigned bits = 0; bits < 128; ++bits) {
            const auto bit = [&](unsigned n) { return (bits >> n & 1) != 0; };
            Situation now;
            now.reply.label = ReplyKind::json;
            now.reply.kind = ReplyKind::json;
            now.reply.answer = answer;
            now.reply.complete = bit(0);
            now.reply.legible = bit(1);
            now.reply.bytes = now.reply.content_bytes = bit(2) ? buffer : small;
            now.pressure = {bit(3), bit(4), bit(5)};
            now.rules.first_content_limited = bit(6);
            CAPTURE(static_cast<int>(answer), bits);
            Expected expected = bit(0) || bit(2) || bit(3) || bit(5) ? commits : holds;
            if (bit(0) && bit(1) && !bit(2)) {
                constexpr Expected of_whole[] = {fails(Cause::no_answer), fails(Cause::blank),
                                                 fails(Cause::error_body), commits};
                expected = of_whole[static_cast<std::size_t>(answer)];
            }
            CHECK(agree(decide(now), expected));
            now.rules.streams_whole = true;  // speaks of streams only
            CHECK(agree(decide(now), expected));
        }
}

TEST_CASE("replies of other kinds")
{
    struct Row
    {
        std::string_view name;
        Api api;
        ReplyKind kind;
        std::uint64_t bytes;
        bool complete;
        bool late;
        Expected expected;
    };
    const auto chat = Api::chat_completions;
    const Row table[]{
        {"a page", chat, ReplyKind::html, small, false, false, fails(Cause::no_answer)},
        {"a whole page", chat, ReplyKind::html, small, true, true, fails(Cause::no_answer)},
        {"a page for speech", Api::audio_speech, ReplyKind::html, small, false, false,
         fails(Cause::no_answer)},
        {"text", chat, ReplyKind::text, small, false, false, fails(Cause::no_answer)},
        {"text for embeddings", Api::embeddings, ReplyKind::text, small, true, false,
         fails(Cause::no_answer)},
        {"a transcript", Api::audio_transcriptions, ReplyKind::text, small, false, false, commits},
        {"a whole transcript", Api::audio_transcriptions, ReplyKind::text, small, true, false, commits},
        {"no transcript", Api::audio_transcriptions, ReplyKind::text, 0, true, false, fails(Cause::empty)},
        {"speech to come", Api::audio_speech, ReplyKind::other, 0, false, false, holds},
        {"speech late", Api::audio_speech, ReplyKind::other, 0, false, true, commits},
        {"speech", Api::audio_speech, ReplyKind::other, 1, false, false, commits},
        {"no speech", Api::audio_speech, ReplyKind::other, 0, true, false, fails(Cause::empty)},
        {"NDJSON", chat, ReplyKind::other, 1, false, false, commits},
        {"no JSON", chat, ReplyKind::json, 0, true, false, fails(Cause::empty)},
        {"a file to come", Api::other, ReplyKind::other, 0, false, false, holds},
        {"a file", Api::other, ReplyKind::other, 1, false, false, commits},
        {"an empty file", Api::other, ReplyKind::other, 0, true, false, commits},
        {"a file late", Api::other, ReplyKind::other, 0, false, true, commits},
        {"other JSON", Api::other, ReplyKind::json, small, false, false, holds},
        {"other JSON late", Api::other, ReplyKind::json, small, false, true, commits},
        {"other JSON, whole", Api::other, ReplyKind::json, small, true, false, commits},
        {"other JSON, whole and empty", Api::other, ReplyKind::json, 0, true, false, commits},
        {"other JSON, long", Api::other, ReplyKind::json, buffer, false, false, commits},
    };
    for (const auto& row : table) {
        CAPTURE(row.name);
        Situation now;
        now.head.api = row.api;
        now.reply.label = row.kind;
        now.reply.kind = row.kind;
        now.reply.bytes = now.reply.content_bytes = row.bytes;
        now.reply.complete = row.complete;
        now.pressure.commit_after_passed = row.late;
        CHECK(agree(decide(now), row.expected));
    }
}

TEST_CASE("a reply that shows nothing of what it is")
{
    struct Row
    {
        std::string_view name;
        ReplyKind label;
        CommitPressure pressure;
        bool limited;
        bool complete;
        Expected expected;
    };
    const auto stream = ReplyKind::event_stream;
    const Row table[]{
        {"silence", stream, {false, false, false}, false, false, holds},
        {"silence for too long", stream, {true, false, false}, false, false, commits},
        {"silence, limited", stream, {true, false, false}, true, false, holds},
        {"silence past its limit", stream, {true, true, false}, true, false, fails(Cause::timeout)},
        {"silence without a label past its limit",
         ReplyKind::other,
         {false, true, false},
         true,
         false,
         fails(Cause::timeout)},
        {"silence, short of memory", stream, {false, false, true}, true, false, commits},
        {"JSON to come is no stream", ReplyKind::json, {false, true, false}, true, false, holds},
        {"JSON to come for too long", ReplyKind::json, {true, false, false}, true, false, commits},
        {"nothing at all", ReplyKind::other, {false, false, false}, false, true, fails(Cause::empty)},
        {"no JSON at all", ReplyKind::json, {false, false, false}, false, true, fails(Cause::empty)},
    };
    for (const auto& row : table) {
        CAPTURE(row.name);
        Situation now;
        now.reply.label = row.label;
        now.reply.complete = row.complete;
        now.pressure = row.pressure;
        now.rules.first_content_limited = row.limited;
        now.head.stream_asked = true;
        CHECK(agree(decide(now), row.expected));
    }
}

TEST_CASE("a reply that is no stream by its label or its request is under no first_content limit")
{
    for (const auto label : {ReplyKind::other, ReplyKind::json}) {
        Situation now;
        now.reply.label = label;
        now.rules.first_content_limited = true;
        now.pressure.first_content_passed = true;
        CHECK(agree(decide(now), holds));
        now.pressure.commit_after_passed = true;
        CHECK(agree(decide(now), commits));
    }
}

TEST_CASE("time decides on a stream that cannot be read, too, while nothing of it has come")
{
    Situation now;
    now.reply.label = ReplyKind::event_stream;
    now.reply.kind = ReplyKind::event_stream;
    now.reply.legible = false;
    now.pressure.commit_after_passed = true;
    CHECK(agree(decide(now), commits));
    now.rules.first_content_limited = true;
    CHECK(agree(decide(now), holds));
    now.pressure.first_content_passed = true;
    CHECK(agree(decide(now), fails(Cause::timeout)));
}

TEST_CASE("replies that cannot be read")
{
    for (const auto api : {Api::chat_completions, Api::other}) {
        Situation now;
        now.head.api = api;
        now.reply.label = ReplyKind::event_stream;
        now.reply.kind = ReplyKind::event_stream;
        now.reply.legible = false;
        CHECK(agree(decide(now), holds));
        now.reply.bytes = 1;
        CHECK(agree(decide(now), commits));
        now.reply.kind = ReplyKind::json;
        CHECK(agree(decide(now), holds));
        now.reply.complete = true;
        CHECK(agree(decide(now), commits));
    }
}

TEST_CASE("replies without a body are committed at their head")
{
    for (const auto api : {Api::chat_completions, Api::other})
        for (const auto& [status, head_only] :
             {std::pair{200u, true}, {204u, false}, {304u, false}, {101u, false}}) {
            CAPTURE(static_cast<int>(api), status, head_only);
            Situation now;
            now.head = {status, head_only, api};
            CHECK(agree(decide(now), commits));
            now.reply.complete = true;
            CHECK(agree(decide(now), commits));
        }
}

TEST_CASE("a client that was told that a stream comes gets a stream or nothing")
{
    const auto not_a_stream = fails(Cause::not_a_stream);
    struct Row
    {
        const char* name;
        std::optional<ReplyKind> kind;
        bool complete;
        Answer answer;
        Expected then;
    };
    const Row rows[] = {
        {"JSON with an answer", ReplyKind::json, true, Answer::content, not_a_stream},
        {"JSON that is an error says which", ReplyKind::json, true, Answer::error, fails(Cause::error_body)},
        {"JSON that is blank", ReplyKind::json, true, Answer::blank, fails(Cause::blank)},
        {"JSON that still comes", ReplyKind::json, false, Answer::none, holds},
        {"sound", ReplyKind::other, false, Answer::none, not_a_stream},
        {"a page", ReplyKind::html, false, Answer::none, fails(Cause::no_answer)},
        {"nothing yet", std::nullopt, false, Answer::none, holds},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        Situation now;
        now.head.stream_asked = true;
        now.rules.streams_only = true;
        now.pressure.commit_after_passed = true;  // its client has a head
        now.reply.kind = row.kind;
        now.reply.complete = row.complete;
        now.reply.answer = row.answer;
        now.reply.bytes = now.reply.content_bytes = row.kind ? small : 0;
        CHECK(agree(decide(now), row.then));
    }
    Situation stream;
    stream.rules.streams_only = true;
    stream.reply.kind = ReplyKind::event_stream;
    stream.reply.bytes = stream.reply.content_bytes = small;
    stream.pressure.commit_after_passed = true;
    CHECK(agree(decide(stream), holds));
    stream.reply.stream.data = stream.reply.stream.content = true;
    CHECK(agree(decide(stream), commits));
    stream.reply.encoded = true;
    CHECK(agree(decide(stream), not_a_stream));
    Situation empty;
    empty.rules.streams_only = true;
    empty.head.status = 204;
    CHECK(agree(decide(empty), not_a_stream));
}
