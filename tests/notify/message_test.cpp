#include "notify/message.hpp"

#include "tests/notify/scripted_http.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::notify;
using namespace std::chrono_literals;

namespace {

Record failed_request()
{
    Record record;
    record.authenticated = true;
    record.ip = "1.2.3.4";
    record.path = "/v1/chat/completions";
    record.model = "gpt-4o";
    record.status = 502;
    record.outcome = RequestOutcome::upstream_error;
    record.error = "every upstream failed: a: connection refused";
    return record;
}

}  // namespace

TEST_CASE("a message says who asked for what and what came of it")
{
    CHECK(tell_failure(failure_of(failed_request())).text ==
          "IP: 1.2.3.4 request gpt-4o error 502 with every upstream failed: a: connection refused");
}

TEST_CASE("a request without a model is told by its path")
{
    auto record = failed_request();
    record.model.reset();
    record.path = "/v1/files";
    CHECK(tell_failure(failure_of(record)).text.find("request /v1/files error 502") != std::string::npos);
}

TEST_CASE("text from outside is escaped and cut at 256 bytes")
{
    auto record = failed_request();
    record.model = "gpt\n\x1b[31m" + std::string(1000, 'x');
    record.error = std::string(1000, 'e');
    const auto failure = failure_of(record);
    CHECK(failure.subject.substr(0, 13) == "gpt\\n\\x1b[31m");
    CHECK(failure.subject.size() <= 256);
    CHECK(failure.reason.size() <= 256);
}

TEST_CASE("what is told of is a request that ended badly, and not by its client")
{
    struct Row
    {
        unsigned status;
        RequestOutcome outcome;
        bool told;
        bool stream = false;
    };
    const auto row = GENERATE(values<Row>({
        {200, RequestOutcome::ok, false},
        {204, RequestOutcome::ok, false},
        {304, RequestOutcome::ok, false},
        {101, RequestOutcome::ok, false},
        {101, RequestOutcome::truncated, false},
        {101, RequestOutcome::ok, false, true},
        {101, RequestOutcome::truncated, true, true},
        {101, RequestOutcome::upstream_error, true, true},
        {200, RequestOutcome::truncated, true},
        {200, RequestOutcome::upstream_error, true},
        {200, RequestOutcome::timeout, true},
        {200, RequestOutcome::rejected, true},
        {302, RequestOutcome::upstream_error, true},
        {400, RequestOutcome::upstream_error, true},
        {404, RequestOutcome::rejected, true},
        {499, RequestOutcome::client_closed, false},
        {502, RequestOutcome::timeout, true},
        {503, RequestOutcome::rejected, true},
    }));
    auto record = failed_request();
    record.status = row.status;
    record.outcome = row.outcome;
    record.stream = row.stream;
    CAPTURE(row.status, to_string(row.outcome), row.stream);
    CHECK(is_failure(record) == row.told);
    record.authenticated = false;
    CHECK_FALSE(is_failure(record));
}

TEST_CASE("a failure that an upstream answered with names it")
{
    auto failure = test::sample_failure("gpt-4o", 503, "status 503");
    failure.upstream = "spare";
    failure.reason_is_upstreams = true;
    CHECK(tell_failure(failure).text == "IP: 1.2.3.4 request gpt-4o error 503 with spare: status 503");
    // Equal ones may be others' failures.
    CHECK(tell_failures({{failure, 2, test::notice_time}}, 0, 60s).text ==
          "IP: 1.2.3.4 request gpt-4o error 503 with status 503 (2 times within 60 s)");
}

TEST_CASE("an upstream is named with what it did itself")
{
    auto record = failed_request();
    record.upstream_name = "a";
    record.error = "status 429";
    AttemptRecord attempt;
    attempt.upstream_name = "a";
    attempt.outcome = AttemptOutcome::status;
    attempt.error = "status 429";
    SECTION("it did")
    {
        record.attempts = {attempt};
        CHECK(what_happened(failure_of(record)) == "a: status 429");
    }
    SECTION("another did")
    {
        attempt.upstream_name = "b";
        record.attempts = {attempt};
        CHECK(what_happened(failure_of(record)) == "status 429");
    }
    SECTION("the router was stopped while it answered")
    {
        record.error = attempt.error = "the router was stopped";
        attempt.outcome = AttemptOutcome::client_closed;
        record.attempts = {attempt};
        CHECK(what_happened(failure_of(record)) == "the router was stopped");
    }
}

TEST_CASE("counted failures are told a line each, with how often")
{
    FailureGroup often{test::sample_failure("gpt-4o", 502, "a"), 12, test::notice_time};
    FailureGroup once{test::sample_failure("o3", 400, "b"), 1, test::notice_time};
    const auto message = tell_failures({often, once}, 0, 60s);
    CHECK(message.kind == Message::Kind::failures);
    CHECK(message.text ==
          "IP: 1.2.3.4 request gpt-4o error 502 with a (12 times within 60 s)\n"
          "IP: 1.2.3.4 request o3 error 400 with b (1 time within 60 s)");
    CHECK(tell_failures({}, 7, 120s).text == "7 other failed requests within 2 min");
}

TEST_CASE("a message stays short whatever there is to tell")
{
    std::vector<FailureGroup> groups;
    for (int i = 0; i < 256; ++i)
        groups.push_back(
            {test::sample_failure(std::to_string(i) + std::string(250, 'm'), 502, std::string(256, 'r')), 2,
             test::notice_time});
    const auto message = tell_failures(groups, 5, 60s);
    CHECK(message.text.size() <= 2'000);
    std::uint64_t told = message.others;
    for (const auto& group : message.failures)
        told += group.count;
    CHECK(told == 256 * 2 + 5);
    CHECK(message.text.find(std::to_string(message.others) + " other failed requests") != std::string::npos);
}

TEST_CASE("a recovery names the upstream and how long it was away")
{
    CHECK(tell_recovery("openai", 75s, "gpt-4o").text ==
          "upstream openai (model gpt-4o) answers again, after 75 s in cooldown");
    CHECK(tell_recovery("openai", 75s, "gpt-4o").recovery.upstream == "openai");
    CHECK(tell_recovery("openai", 75s).text == "upstream openai answers again, after 75 s in cooldown");
    CHECK(tell_recovery("openai", 185s).text == "upstream openai answers again, after 3 min in cooldown");
    CHECK(tell_recovery("openai", 3h + 5min).text ==
          "upstream openai answers again, after 3 h 5 min in cooldown");
}
