#include "core/net/reply_recorder.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/compression.hpp"
#include "tests/support/upstream_scripts.hpp"

// What a reply shows of itself as it passes, and what is decided by that.

namespace route::test {

namespace {

using Kind = CommitDecision::Kind;
using net::ReplyLabel;
using net::ReplyRecorder;

constexpr std::uint64_t judged = 100'000;

/// A reply read to its end, and the first decision other than to hold it back.
struct Watched
{
    CommitDecision decision;
    std::size_t bytes = 0;  ///< after which it was made
    ReplyProgress progress;
    std::string words;
    ReplyCapture capture;
};

Watched watch(const ReplyLabel& label, std::string_view body, std::size_t step)
{
    Watched watched;
    const RecordSettings settings;
    ReplyRecorder recorder{settings, watched.capture};
    recorder.begin(label);
    const ReplyHead head{200, false, label.api};
    const CommitRules rules{judged, false, false};
    std::size_t at = 0;
    const auto decide = [&] {
        if (watched.decision.kind != Kind::hold)
            return;
        watched.decision = decide_commit(head, recorder.progress(), {}, rules);
        watched.bytes = at;
        if (watched.decision.kind == Kind::commit)
            recorder.committed();
    };
    while (at < body.size()) {
        recorder.add(body.substr(at, step));
        at = std::min(at + step, body.size());
        decide();
    }
    recorder.complete();
    decide();
    watched.progress = recorder.progress();
    watched.words = recorder.event_error_words();
    recorder.finish();
    return watched;
}

struct Judged
{
    std::string name;
    ReplyLabel label;
    std::string body;
    Kind kind;
    Cause cause = Cause::no_answer;
};

ReplyLabel chat(std::string_view type, std::string_view coding = "")
{
    return {type, coding, Api::chat_completions, judged};
}

const std::string role = data_event(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]})");
const std::string quota = R"({"error":{"message":"no quota left","code":"insufficient_quota"}})";
const std::string page = "<!DOCTYPE html><html><body>Welcome</body></html>";

std::vector<Judged> replies()
{
    const std::string_view sse = "text/event-stream";
    const std::string_view json = "application/json";
    const std::string stream = joined(chat_events("hello"));
    std::vector<Judged> all{
        {"a stream", chat(sse), role + stream, Kind::commit},
        {"an error behind the role", chat(sse), role + data_event(quota), Kind::fail, Cause::error_event},
        {"a failed response", chat(sse),
         "event: response.created\ndata: {\"response\":{\"output\":[]}}\n\nevent: response.failed\ndata: "
         "{\"response\":{\"error\":{\"message\":\"no quota left\"}}}\n\n",
         Kind::fail, Cause::error_event},
        {"an error after message_start", chat(sse),
         "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"content\":[]}}\n\nevent: "
         "error\ndata: "
         "{\"type\":\"error\",\"error\":{\"message\":\"no quota left\"}}\n\n",
         Kind::fail, Cause::error_event},
        {"a role and [DONE]", chat(sse), role + std::string{done_event}, Kind::fail, Cause::no_answer},
        {"a stream cut in its preamble", chat(sse), role + ": ping\n\n", Kind::fail, Cause::no_answer},
        {"a blank stream", chat(sse), role + joined(chat_events("")), Kind::fail, Cause::blank},
        {"comments", chat(sse), ": a\n\n: b\n\n", Kind::fail, Cause::empty},
        {"a last event without its blank line", chat(sse),
         role + chat_event("hello").substr(0, chat_event("hello").size() - 2), Kind::commit},
        {"events parted by one line end", chat(sse), "data: {}\ndata: " + quota + "\ndata: [DONE]",
         Kind::fail, Cause::error_event},
        {"JSON labelled as events", chat(sse), quota, Kind::fail, Cause::error_body},
        {"JSON", chat(json), chat_reply("hello"), Kind::commit},
        {"a blank answer", chat(json), chat_reply(""), Kind::fail, Cause::blank},
        {"an error as JSON", chat(json), quota, Kind::fail, Cause::error_body},
        {"JSON cut", chat(json), chat_reply("hello").substr(0, 40), Kind::fail, Cause::no_answer},
        {"an empty object", chat(json), "{}", Kind::fail, Cause::no_answer},
        {"nothing", chat(json), "", Kind::fail, Cause::empty},
        {"nothing without a type", chat(""), "", Kind::fail, Cause::empty},
        {"blanks", chat(json), " \n ", Kind::fail, Cause::no_answer},
        {"a page as JSON", chat(json), page, Kind::fail, Cause::no_answer},
        {"events labelled JSON", chat(json), role + stream, Kind::commit},
        {"an error event labelled JSON", chat(json), data_event(quota), Kind::fail, Cause::error_event},
        {"long JSON", chat(json), chat_reply(std::string(judged, 'x')), Kind::commit},
        {"audio", {"audio/mpeg", "", Api::audio_speech, judged}, "\xFF\xFB", Kind::commit},
        {"a transcript", {"text/plain", "", Api::audio_transcriptions, judged}, "Hello.\n", Kind::commit},
        {"JSON of another path", {json, "", Api::other, judged}, "{}", Kind::commit},
        {"gzip", chat(json, "gzip"), compressed(Format::gzip, chat_reply("hello")), Kind::commit},
        {"an error in gzip", chat(json, "gzip"), compressed(Format::gzip, quota), Kind::fail,
         Cause::error_body},
        {"an error in gzip without a type", chat("", "gzip"), compressed(Format::gzip, quota), Kind::fail,
         Cause::error_body},
        {"a stream in gzip", chat(sse, "gzip"), compressed(Format::gzip, role + data_event(quota)),
         Kind::fail, Cause::error_event},
        {"bytes of a coding nobody reads", chat(json, "compress"), "\x1b\x03\xf8", Kind::commit},
        {"bytes of a coding nobody knows", chat(json, "x-own"), "\x1b\x03\xf8", Kind::commit},
    };
    for (const std::string_view type : {"", "text/plain", "text/html", "application/octet-stream"}) {
        const std::string as = " as " + std::string{type};
        all.push_back({"a stream" + as, chat(type), role + stream, Kind::commit});
        all.push_back(
            {"an error event" + as, chat(type), role + data_event(quota), Kind::fail, Cause::error_event});
        all.push_back({"JSON" + as, chat(type), chat_reply("hello"), Kind::commit});
        all.push_back({"an error" + as, chat(type), quota, Kind::fail, Cause::error_body});
        all.push_back({"a page" + as, chat(type), page, Kind::fail, Cause::no_answer});
        all.push_back({"text" + as, chat(type), "Service unavailable", Kind::fail, Cause::no_answer});
    }
    for (const std::string_view coding : {"none", "identity", "utf-8", "x-unknown"}) {
        const std::string as = ", encoded as " + std::string{coding};
        all.push_back({"an error" + as, chat(json, coding), quota, Kind::fail, Cause::error_body});
        all.push_back({"an error event" + as, chat(sse, coding), role + data_event(quota), Kind::fail,
                       Cause::error_event});
    }
    return all;
}

}  // namespace

TEST_CASE("a reply is judged by what it says, however its bytes come")
{
    for (const auto& reply : replies()) {
        CAPTURE(reply.name);
        const auto whole = watch(reply.label, reply.body, reply.body.size() + 1);
        CHECK(whole.decision.kind == reply.kind);
        CHECK(whole.decision.cause == reply.cause);
        if (reply.kind == Kind::fail && reply.cause == Cause::error_event)
            CHECK(whole.words == "no quota left");
        for (const std::size_t step : {1u, 2u, 7u, 64u, 1000u}) {
            if (step == 1 && reply.body.size() > 10'000)
                continue;
            CAPTURE(step);
            const auto parts = watch(reply.label, reply.body, step);
            CHECK(parts.decision == whole.decision);
            CHECK(parts.progress.kind == whole.progress.kind);
            CHECK(parts.capture.kind == whole.capture.kind);
            CHECK(parts.capture.raw == whole.capture.raw);
            CHECK(parts.capture.summary.text == whole.capture.summary.text);
        }
    }
}

TEST_CASE("a stream is committed with its first content, not before")
{
    const std::string preamble = ": hi\n\n" + role + data_event(R"({"choices":[]})");
    const std::string content = chat_event("h");
    const auto watched = watch(chat("text/event-stream"), preamble + content + chat_event("i"), 1);
    CHECK(watched.decision.kind == Kind::commit);
    CHECK(watched.bytes == preamble.size() + content.size());
}

TEST_CASE("after commit an error and the end are still seen")
{
    const auto label = chat("text/event-stream");
    const auto cut = watch(label, chat_event("h") + data_event(quota), 1);
    CHECK(cut.decision.kind == Kind::commit);
    CHECK(cut.progress.stream.late_error);
    CHECK_FALSE(cut.progress.stream.error);
    CHECK(cut.words == "no quota left");
    const auto done = watch(label, joined(chat_events("h")), 1);
    CHECK(done.progress.stream.end);
    CHECK_FALSE(done.progress.stream.late_error);
    CHECK_FALSE(watch(label, chat_event("h"), 1).progress.stream.end);
    const auto stopped = watch(label,
                               "event: content_block_delta\ndata: {\"delta\":{\"text\":\"h\"}}\n\n"
                               "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
                               1);
    CHECK(stopped.progress.stream.end);
}

TEST_CASE("JSON that is kept to be judged is recorded no longer than before")
{
    ReplyCapture capture;
    RecordSettings settings;
    settings.max_response = 100;
    ReplyRecorder recorder{settings, capture};
    recorder.begin(chat("application/json"));
    const auto body = chat_reply(std::string(500, 'x'));
    recorder.add(body);
    recorder.complete();
    CHECK(recorder.progress().answer == Answer::content);
    recorder.committed();
    recorder.finish();
    CHECK(capture.kind == ReplyCapture::Kind::long_json);
    CHECK(capture.raw.size() <= 100 + 4);
    CHECK(body.starts_with(capture.raw));
    const auto summary = read_long_json_reply(capture, settings.max_response, Api::chat_completions);
    CHECK(summary.text == std::string(100, 'x'));
    CHECK(summary.total_tokens == 7);
}

TEST_CASE("the words of an error are those of its event, also where that has none")
{
    ReplyCapture capture;
    const RecordSettings settings;
    ReplyRecorder recorder{settings, capture};
    recorder.begin(chat("text/event-stream"));
    recorder.add("event: error\ndata:\n\n" + data_event(R"({"error":{"message":"later"}})"));
    CHECK(recorder.progress().stream.error);
    CHECK(recorder.event_error_words().empty());
}

TEST_CASE("a recorder starts over with each reply")
{
    ReplyCapture capture;
    const RecordSettings settings;
    ReplyRecorder recorder{settings, capture};
    recorder.begin(chat("text/event-stream"));
    recorder.add(role + data_event(quota) + "data: {\"half");
    recorder.begin(chat("application/json"));
    CHECK_FALSE(recorder.progress().stream.data);
    CHECK(recorder.event_error_words().empty());
    recorder.add(chat_reply("hello"));
    recorder.complete();
    CHECK(recorder.progress().answer == Answer::content);
    CHECK(recorder.bytes() == chat_reply("hello").size());
}

}  // namespace route::test
