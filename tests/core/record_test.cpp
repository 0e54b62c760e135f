#include "core/record.hpp"

#include <string>

#include "core/secret_eraser.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace std::string_literals;

namespace {

std::string marked(std::string text, std::uint64_t bytes)
{
    return text.append("\u2026 [cut, ").append(std::to_string(bytes)).append(" bytes]");
}

/// The body as it is stored; completing it again changes nothing.
std::string stored_body(std::string body, std::uint64_t body_bytes, std::uint64_t limit,
                        std::string content_type = "")
{
    Record record;
    record.body = std::move(body);
    record.body_cut = record.body.size() < body_bytes;
    record.body_bytes = body_bytes;
    record.body_content_type = std::move(content_type);
    const RecordLimits limits{true, limit, true, limit};
    complete_record(record, limits);
    auto stored = record.body;
    complete_record(record, limits);
    CHECK(record.body == stored);
    return stored;
}

/// The record of a reply; completing it again changes nothing.
Record completed(ReplyCapture reply, std::uint64_t response_bytes, RecordLimits limits = {})
{
    Record record;
    record.reply = std::move(reply);
    record.reply.raw_cut = record.reply.raw.size() < response_bytes;
    record.response_bytes = response_bytes;
    complete_record(record, limits);
    const auto response = record.response;
    complete_record(record, limits);
    CHECK(record.response == response);
    CHECK(record.reply.kind == ReplyCapture::Kind::none);
    CHECK(record.reply.raw.empty());
    return record;
}

std::shared_ptr<const SecretEraser> secrets_of(std::string_view secret)
{
    const auto eraser = std::make_shared<SecretEraser>();
    eraser->add(secret);
    return eraser;
}

ReplyCapture raw(ReplyCapture::Kind kind, std::string content_type, std::string bytes)
{
    ReplyCapture reply;
    reply.kind = kind;
    reply.content_type = std::move(content_type);
    reply.raw = std::move(bytes);
    return reply;
}

}  // namespace

TEST_CASE("the names of outcomes")
{
    CHECK(to_string(RequestOutcome::ok) == "ok");
    CHECK(to_string(RequestOutcome::upstream_error) == "upstream_error");
    CHECK(to_string(RequestOutcome::timeout) == "timeout");
    CHECK(to_string(RequestOutcome::truncated) == "truncated");
    CHECK(to_string(RequestOutcome::client_closed) == "client_closed");
    CHECK(to_string(RequestOutcome::rejected) == "rejected");
    CHECK(to_string(AttemptOutcome::status) == "status");
    CHECK(to_string(AttemptOutcome::error_event) == "error_event");
    CHECK(to_string(AttemptOutcome::error_body) == "error_body");
    CHECK(to_string(AttemptOutcome::blank) == "blank");
    CHECK(to_string(AttemptOutcome::no_answer) == "no_answer");
    CHECK(to_string(AttemptOutcome::client_closed) == "client_closed");
}

TEST_CASE("a request body within the limit is stored as it is")
{
    CHECK(stored_body("", 0, 10).empty());
    CHECK(stored_body("{\"a\":1}", 7, 7) == "{\"a\":1}");
    CHECK(stored_body("a\0b"s, 3, 10) == "a\uFFFDb");
}

TEST_CASE("a longer request body is cut at a character and marked")
{
    CHECK(stored_body("abcdef", 6, 4) == marked("abcd", 6));
    CHECK(stored_body("abc\u00e4", 5, 4) == marked("abc", 5));
    CHECK(stored_body("abc\0"s, 4, 4) == marked("abc", 4));
    CHECK(stored_body("abc", 3, 0) == marked("", 3));
}

TEST_CASE("a request body that the loop cut is marked, too")
{
    const std::string text = "abc\u6f22\U0001F600";
    CHECK(stored_body(text.substr(0, 3), 1000, 3) == marked("abc", 1000));
    CHECK(stored_body(text.substr(0, 4), 1000, 10) == marked("abc", 1000));
    CHECK(stored_body(text.substr(0, 5), 1000, 3) == marked("abc", 1000));
    CHECK(stored_body(text.substr(0, 9), 1000, 6) == marked("abc\u6f22", 1000));
    CHECK(stored_body("", 1000, 10) == marked("", 1000));
}

TEST_CASE("a request body that is not UTF-8 is named only")
{
    CHECK(stored_body("\xff\xfe", 2, 10, "audio/wav; x=y") == "[audio/wav, 2 bytes]");
    CHECK(stored_body("\xff\xfe", 2000, 2, " image/png ") == "[image/png, 2000 bytes]");
    CHECK(stored_body("\xff", 1, 10) == "[application/octet-stream, 1 bytes]");
    CHECK(stored_body("abc\xc3", 4, 10) == "[application/octet-stream, 4 bytes]");
    CHECK(stored_body("\xff", 1, 10, "a/\xff") == "[a/\uFFFD, 1 bytes]");
}

TEST_CASE("a body that only looks completed is cleaned all the same")
{
    CHECK(stored_body(marked("\xff", 20), 20, 100) == marked("\uFFFD", 20));
    CHECK(stored_body(marked(std::string(100, 'x'), 118), 118, 10) == marked(std::string(10, 'x'), 118));
}

TEST_CASE("request bodies are not stored when they are not wanted")
{
    Record record;
    record.body = std::string(5000, 'x');
    record.body_bytes = 5000;
    complete_record(record, RecordLimits{false, 1 << 20, true, 1 << 20});
    CHECK(record.body.empty());
    CHECK(record.body_bytes == 5000);
    CHECK(record.memory() < 2 * sizeof(Record));
}

TEST_CASE("a JSON reply is read")
{
    const std::string json =
        R"({"choices":[{"index":0,"message":{"content":"Hi\u0000"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}})";
    const auto record = completed(raw(ReplyCapture::Kind::json, "application/json", json), json.size());
    CHECK(record.response == "Hi\uFFFD");
    CHECK(record.prompt_tokens == 1);
    CHECK(record.completion_tokens == 2);
    CHECK(record.total_tokens == 3);
    CHECK(record.finish_reason == "stop");
}

TEST_CASE("a summary is taken over")
{
    ReplyCapture reply;
    reply.kind = ReplyCapture::Kind::summary;
    reply.summary = {"text", true, 1, 2, 3, "length"};
    const auto record = completed(reply, 5000);
    CHECK(record.response == marked("text", 5000));
    CHECK(record.prompt_tokens == 1);
    CHECK(record.completion_tokens == 2);
    CHECK(record.total_tokens == 3);
    CHECK(record.finish_reason == "length");
}

TEST_CASE("the response is cut at its limit")
{
    const RecordLimits limits{true, 100, true, 4};
    const auto body = R"({"error":"x"})"s;
    CHECK(completed(raw(ReplyCapture::Kind::json, "application/json", body), 13, limits).response ==
          marked(R"({"er)", 13));
    CHECK(completed(raw(ReplyCapture::Kind::text, "text/plain", "abc\u00e4"), 5, limits).response ==
          marked("abc", 5));
    CHECK(completed(raw(ReplyCapture::Kind::text, "text/plain", "abcd"), 4, limits).response == "abcd");
    CHECK(completed(raw(ReplyCapture::Kind::text, "text/plain", "ab\xc3"), 50, limits).response ==
          marked("ab", 50));
}

TEST_CASE("replies that are no JSON")
{
    using Kind = ReplyCapture::Kind;
    CHECK(completed(raw(Kind::text, "text/vtt", "a\xff"), 2).response == "a\uFFFD");
    CHECK(completed(raw(Kind::text, "application/x-ndjson", "{}\n"), 3).response == "{}\n");
    CHECK(completed(raw(Kind::text, "", "plain"), 5).response == "plain");
    CHECK(completed(raw(Kind::text, "", "\xff"), 1).response == "[application/octet-stream, 1 bytes]");
    CHECK(completed(raw(Kind::text, "audio/mpeg", "abc"), 3).response == "[audio/mpeg, 3 bytes]");
    CHECK(completed(raw(Kind::binary, "audio/mpeg; q=1", ""), 12345).response == "[audio/mpeg, 12345 bytes]");
    CHECK(completed(raw(Kind::binary, "", ""), 1).response == "[application/octet-stream, 1 bytes]");
    for (const auto kind : {Kind::none, Kind::json, Kind::text, Kind::binary, Kind::summary})
        CHECK(completed(raw(kind, "text/plain", ""), 0).response.empty());
}

TEST_CASE("responses are not stored when they are not wanted, their tokens are")
{
    const RecordLimits limits{true, 100, false, 100};
    const auto json =
        R"({"choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"total_tokens":9}})"s;
    const auto record =
        completed(raw(ReplyCapture::Kind::json, "application/json", json), json.size(), limits);
    CHECK(record.response.empty());
    CHECK(record.total_tokens == 9);
    CHECK(record.finish_reason == "stop");
    CHECK(completed(raw(ReplyCapture::Kind::text, "text/plain", "a"), 1, limits).response.empty());
    CHECK(completed(raw(ReplyCapture::Kind::binary, "image/png", ""), 1, limits).response.empty());
}

TEST_CASE("every text of a record is cleaned")
{
    const auto dirty = "a\0\xff"s;
    Record record;
    for (auto* text : {&record.client_request_id, &record.node, &record.ip, &record.key_name,
                       &record.user_agent, &record.method, &record.path, &record.error, &record.upstream_name,
                       &record.upstream_endpoint, &record.response, &record.finish_reason, &record.trace_id})
        *text = dirty;
    record.model = dirty;
    record.attempts.push_back({});
    record.attempts.back().upstream_name = dirty;
    record.attempts.back().error = dirty;
    complete_record(record, {});
    const std::string clean = "a\uFFFD\uFFFD";
    for (const auto* text :
         {&record.client_request_id, &record.node, &record.ip, &record.key_name, &record.user_agent,
          &record.method, &record.path, &record.error, &record.upstream_name, &record.upstream_endpoint,
          &record.response, &record.finish_reason, &record.trace_id})
        CHECK(*text == clean);
    CHECK(record.model == clean);
    CHECK(record.attempts.back().upstream_name == clean);
    CHECK(record.attempts.back().error == clean);
}

TEST_CASE("keys are erased wherever they stand, also where the text would be cut, and leave the rest whole")
{
    const std::string client = "client-key-0123456789";
    const std::string upstream = "sk-upstream-0123456789";
    Record record;
    record.path = "/v1/" + client;
    record.user_agent = client;
    record.client_request_id = "id-" + client;
    record.trace_id = client;
    record.body = R"({"user":")" + client + R"("})";
    record.body_bytes = record.body.size();
    record.error = "wrong key " + upstream + " or " + client;
    record.attempts.resize(1);
    record.attempts[0].error = record.error;
    record.reply.kind = ReplyCapture::Kind::text;
    record.reply.content_type = "text/plain";
    record.reply.raw = "you said " + client + upstream + client;
    record.response_bytes = record.reply.raw.size();
    record.client_keys.push_back(std::make_shared<const std::string>(client));
    record.model = client;
    record.finish_reason = client;
    record.upstream_secrets = secrets_of(upstream);
    SECTION("whole")
    {
        complete_record(record, {});
        CHECK(record.path == "/v1/…");
        CHECK(record.user_agent == "…");
        CHECK(record.client_request_id == "id-…");
        CHECK(record.trace_id == "…");
        CHECK(record.body == R"({"user":"…"})");
        CHECK(record.error == "wrong key … or …");
        CHECK(record.attempts[0].error == "wrong key … or …");
        CHECK(record.response == "you said ………");
        CHECK(record.client_keys.empty());
        CHECK(record.model == "…");
        CHECK(record.finish_reason == "…");
        CHECK(record.upstream_secrets == nullptr);
    }
    SECTION("cut in the middle of a key")
    {
        complete_record(record, {true, 15, true, 15});
        CHECK(record.body.find("client") == std::string::npos);
        CHECK(record.response.find("clie") == std::string::npos);
    }
    SECTION("cut in the middle of a key by the loop")
    {
        record.body.resize(record.body.find(client) + 6);
        record.body_cut = true;
        record.reply.raw.resize(record.reply.raw.size() - 3);
        record.reply.raw_cut = true;
        complete_record(record, {});
        CHECK(record.body.find("clie") == std::string::npos);
        CHECK(record.response.find("clie") == std::string::npos);
    }
}

TEST_CASE("a key that a JSON reply writes with escapes is erased from what the reply says")
{
    Record record;
    record.reply.kind = ReplyCapture::Kind::json;
    record.reply.raw =
        R"({"choices":[{"message":{"content":"not \u0073k-upstream\/0123456789!"},"finish_reason":"sk-upstream\/0123456789"}]})";
    record.response_bytes = record.reply.raw.size();
    record.upstream_secrets = secrets_of("sk-upstream/0123456789");
    complete_record(record, RecordLimits{});
    CHECK(record.response == "not …!");
    CHECK(record.finish_reason == "…");
}

TEST_CASE("a model of unreasonable length is cut")
{
    Record record;
    record.model = std::string(1 << 20, 'm');
    complete_record(record, {});
    CHECK(record.model->size() == 1024);
}

TEST_CASE("the memory of a record counts what it holds")
{
    Record record;
    const auto empty = record.memory();
    CHECK(empty >= sizeof(Record));
    record.body = std::string(10'000, 'x');
    record.reply.raw = std::string(20'000, 'x');
    record.model = std::string(1000, 'x');
    record.attempts.resize(3);
    record.attempts[0].error = std::string(500, 'x');
    CHECK(record.memory() >= empty + 31'500 + 3 * sizeof(AttemptRecord));
}
