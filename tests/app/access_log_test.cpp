#include "app/log/access_log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <sstream>

#include "app/log/log_setup.hpp"
#include "tests/support/catch.hpp"

namespace route {
namespace {

Record sample()
{
    Record record;
    record.request_id = "0190-id";
    record.created_at = SystemTime{std::chrono::milliseconds{1'700'000'000'123}};
    record.ip = "1.2.3.4";
    record.method = "POST";
    record.path = "/v1/chat/completions";
    record.model = "gpt-4o";
    record.status = 200;
    record.upstream_name = "first";
    record.attempts.resize(2);
    record.elapsed_time = std::chrono::microseconds{12'345};
    record.response_time = std::chrono::microseconds{1'005};
    record.prompt_tokens = 3;
    record.completion_tokens = 4;
    record.total_tokens = 7;
    record.key_name = "Alice A";
    return record;
}

const std::string trace = "0af7651916cd43dd8448eb211c80319c";

AttemptRecord attempt(int number, std::string upstream, AttemptOutcome outcome,
                      std::optional<unsigned> status, std::string error)
{
    AttemptRecord made;
    made.number = number;
    made.upstream_name = std::move(upstream);
    made.started_at = SystemTime{std::chrono::milliseconds{1'700'000'000'123}};
    made.outcome = outcome;
    made.status = status;
    made.error = std::move(error);
    made.elapsed_time = std::chrono::microseconds{1'877'250};
    return made;
}

/// The third of three upstreams answered.
Record failed_over()
{
    auto record = sample();
    record.trace_id = trace;
    record.attempts = {attempt(1, "openai", AttemptOutcome::status, 429, "status 429"),
                       attempt(2, "azure", AttemptOutcome::error_event, 200, "error event: \"no\""),
                       attempt(3, "local", AttemptOutcome::ok, 200, "")};
    return record;
}

TEST_CASE("a line of text about a request")
{
    CHECK(access_line(sample(), LogFormat::text) ==
          "0190-id 1.2.3.4 POST /v1/chat/completions status=200 outcome=ok model=gpt-4o upstream=first "
          "attempts=2 "
          "ms=12.345 first_byte_ms=1.005 tokens=7 key=\"Alice A\"");
    auto traced = sample();
    traced.trace_id = trace;
    traced.error = "none";
    CHECK(access_line(traced, LogFormat::text).ends_with(" key=\"Alice A\" trace=" + trace + " error=none"));
    Record bare;
    bare.request_id = "id";
    bare.ip = "::1";
    bare.method = "GET";
    bare.path = "/x";
    bare.status = 403;
    bare.outcome = RequestOutcome::rejected;
    bare.error = "say \"no\"";
    CHECK(access_line(bare, LogFormat::text) ==
          "id ::1 GET /x status=403 outcome=rejected attempts=0 ms=0.000 error=\"say \\\"no\\\"\"");
}

TEST_CASE("a line of JSON about a request")
{
    const auto json = boost::json::parse(access_line(sample(), LogFormat::json)).as_object();
    CHECK(json.at("time").as_string() == "2023-11-14T22:13:20.123Z");
    CHECK(json.at("level").as_string() == "info");
    CHECK(json.at("msg").as_string() == "request");
    CHECK(json.at("attempts").as_int64() == 2);
    CHECK(json.at("status").as_int64() == 200);
    CHECK(std::abs(json.at("elapsed_ms").as_double() - 12.345) < 1e-9);
    CHECK(std::abs(json.at("first_byte_ms").as_double() - 1.005) < 1e-9);
    CHECK(json.at("total_tokens").as_int64() == 7);
    CHECK(json.at("key_name").as_string() == "Alice A");
    CHECK(json.at("error").is_null());
    CHECK(json.at("trace_id").is_null());
    CHECK(json.size() == 20);
    auto traced = sample();
    traced.trace_id = trace;
    CHECK(boost::json::parse(access_line(traced, LogFormat::json)).at("trace_id").as_string() == trace);
}

TEST_CASE("lines of text about attempts that others followed")
{
    const auto lines = failover_lines(failed_over(), LogFormat::text);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0] ==
          "0190-id failover from=openai to=azure model=gpt-4o reason=\"HTTP 429 Too Many Requests\" "
          "attempt=1 ms=1877.250 trace=" +
              trace);
    CHECK(lines[1] ==
          "0190-id failover from=azure to=local model=gpt-4o reason=\"error event: \\\"no\\\"\" attempt=2 "
          "ms=1877.250 trace=" +
              trace);
}

TEST_CASE("lines of JSON about attempts that others followed")
{
    const auto lines = failover_lines(failed_over(), LogFormat::json);
    REQUIRE(lines.size() == 2);
    const auto json = boost::json::parse(lines[0]).as_object();
    CHECK(json.at("time").as_string() == "2023-11-14T22:13:22.000Z");
    CHECK(json.at("level").as_string() == "warning");
    CHECK(json.at("msg").as_string() == "failover");
    CHECK(json.at("request_id").as_string() == "0190-id");
    CHECK(json.at("trace_id").as_string() == trace);
    CHECK(json.at("model").as_string() == "gpt-4o");
    CHECK(json.at("upstream").as_string() == "openai");
    CHECK(json.at("next").as_string() == "azure");
    CHECK(json.at("attempt").as_int64() == 1);
    CHECK(json.at("outcome").as_string() == "status");
    CHECK(json.at("status").as_int64() == 429);
    CHECK(json.at("reason").as_string() == "HTTP 429 Too Many Requests");
    CHECK(std::abs(json.at("elapsed_ms").as_double() - 1877.25) < 1e-9);
    CHECK(json.size() == 13);

    Record bare;
    bare.attempts = {attempt(1, "a", AttemptOutcome::status, 699, ""),
                     attempt(2, "b", AttemptOutcome::connect, std::nullopt, "connection refused"),
                     attempt(3, "c", AttemptOutcome::connect, std::nullopt, "connection refused")};
    const auto others = failover_lines(bare, LogFormat::json);
    REQUIRE(others.size() == 2);
    CHECK(boost::json::parse(others[0]).at("reason").as_string() == "HTTP 699");
    const auto refused = boost::json::parse(others[1]).as_object();
    CHECK(refused.at("reason").as_string() == "connection refused");
    CHECK(refused.at("status").is_null());
    CHECK(refused.at("model").is_null());
    CHECK(refused.at("trace_id").is_null());
}

TEST_CASE("a further try of the same upstream is called one")
{
    auto record = failed_over();
    record.attempts[1].upstream_name = "openai";
    const auto text = failover_lines(record, LogFormat::text).at(0);
    CHECK(text.starts_with("0190-id retry upstream=openai model=gpt-4o reason="));
    const auto json = boost::json::parse(failover_lines(record, LogFormat::json).at(0)).as_object();
    CHECK(json.at("msg").as_string() == "retry");
    CHECK(json.at("upstream").as_string() == "openai");
    CHECK(json.at("next").as_string() == "openai");
}

TEST_CASE("a line about a failover says what the upstream said")
{
    auto record = failed_over();
    record.attempts[0].error = "status 429: Rate limit reached: 3 of 3";
    CHECK_THAT(failover_lines(record, LogFormat::text).at(0),
               ContainsSubstring("reason=\"HTTP 429 Too Many Requests: Rate limit reached: 3 of 3\""));
}

TEST_CASE("a request that was answered by the first upstream, or by none, has no line of a failover")
{
    Record record;
    CHECK(failover_lines(record, LogFormat::text).empty());
    record.attempts = {attempt(1, "openai", AttemptOutcome::status, 500, "status 500")};
    CHECK(failover_lines(record, LogFormat::text).empty());
    CHECK(failover_lines(record, LogFormat::json).empty());
}

TEST_CASE("lines about upstreams that are tried last and that answer again")
{
    const SystemTime now{std::chrono::milliseconds{1'700'000'000'123}};
    CooldownStart start{"openai", 3, AttemptOutcome::timeout, std::nullopt, "no response headers in time"};
    start.length = std::chrono::seconds{30};
    CHECK(cooldown_line(start, now, LogFormat::text) ==
          "upstream openai failed 3 times in a row, last: no response headers in time; it is tried last for "
          "30 s");
    auto json = boost::json::parse(cooldown_line(start, now, LogFormat::json)).as_object();
    CHECK(json.at("time").as_string() == "2023-11-14T22:13:20.123Z");
    CHECK(json.at("level").as_string() == "warning");
    CHECK(json.at("msg").as_string() == "cooldown");
    CHECK(json.at("upstream").as_string() == "openai");
    CHECK(json.at("cause").as_string() == "failures");
    CHECK(json.at("failures").as_int64() == 3);
    CHECK(json.at("outcome").as_string() == "timeout");
    CHECK(json.at("status").is_null());
    CHECK(json.at("reason").as_string() == "no response headers in time");
    CHECK(json.at("seconds").as_int64() == 30);
    CHECK(json.at("model").is_null());
    CHECK(json.size() == 11);

    start = {"openai", 0, AttemptOutcome::status, 429, "status 429: Rate limit reached"};
    start.length = std::chrono::milliseconds{1500};
    CHECK(
        cooldown_line(start, now, LogFormat::text) ==
        "upstream openai answered HTTP 429 Too Many Requests with a Retry-After; it is tried last for 1.5 s");
    json = boost::json::parse(cooldown_line(start, now, LogFormat::json)).as_object();
    CHECK(json.at("cause").as_string() == "retry_after");
    CHECK(json.at("failures").is_null());
    CHECK(json.at("status").as_int64() == 429);
    CHECK(json.at("seconds").as_double() == 1.5);
    start.model = "gpt-4o\n";
    CHECK(cooldown_line(start, now, LogFormat::text) ==
          "upstream openai (model gpt-4o\\n) answered HTTP 429 Too Many Requests with a Retry-After; it is "
          "tried "
          "last for 1.5 s");
    json = boost::json::parse(cooldown_line(start, now, LogFormat::json)).as_object();
    CHECK(json.at("model").as_string() == "gpt-4o\\n");

    CooldownEnd end{"openai", std::chrono::seconds{95}, std::chrono::seconds{700}};
    CHECK(recovery_line(end, now, LogFormat::text) == "upstream openai answers again after 95 s in cooldown");
    json = boost::json::parse(recovery_line(end, now, LogFormat::json)).as_object();
    CHECK(json.at("time").as_string() == "2023-11-14T22:13:20.123Z");
    CHECK(json.at("level").as_string() == "info");
    CHECK(json.at("msg").as_string() == "recovered");
    CHECK(json.at("upstream").as_string() == "openai");
    CHECK(json.at("away_seconds").as_int64() == 95);
    CHECK(json.at("model").is_null());
    CHECK(json.size() == 6);
    end.model = "gpt-4o";
    CHECK(recovery_line(end, now, LogFormat::text) ==
          "upstream openai (model gpt-4o) answers again after 95 s in cooldown");
    json = boost::json::parse(recovery_line(end, now, LogFormat::json)).as_object();
    CHECK(json.at("model").as_string() == "gpt-4o");
}

TEST_CASE("text from outside neither breaks the line nor grows it")
{
    Record record = sample();
    record.model = "a\n\"b\"\x1b\xff" + std::string(10'000, 'x');
    record.path = "/v1/\r\nFAKE";
    record.error = "\xe2\x80\xae";
    record.attempts = {attempt(1, "a", AttemptOutcome::cut, std::nullopt, *record.model),
                       attempt(2, "b", AttemptOutcome::ok, 200, "")};
    CooldownStart start{"a", 3, AttemptOutcome::cut, std::nullopt, *record.model};
    for (const auto format : {LogFormat::text, LogFormat::json})
        for (const auto& line : {access_line(record, format), failover_lines(record, format).at(0),
                                 cooldown_line(start, SystemTime{}, format)}) {
            CHECK(line.find_first_of("\r\n\x1b") == std::string::npos);
            CHECK(line.size() < 1000);
            if (format == LogFormat::json)
                CHECK_NOTHROW(boost::json::parse(line));
        }
}

std::string logged(LogFormat format, spdlog::level::level_enum level, const std::string& message,
                   LogReader reader = LogReader::any)
{
    std::ostringstream out;
    spdlog::logger logger{"test", std::make_shared<spdlog::sinks::ostream_sink_st>(out)};
    logger.set_formatter(log_formatter(format, reader)->clone());  // as loggers do for their sinks
    logger.set_level(spdlog::level::trace);
    logger.log(level, message);
    return out.str();
}

TEST_CASE("log lines")
{
    const auto text = logged(LogFormat::text, spdlog::level::info, "message");
    CHECK(text.substr(23) == "Z info  message\n");
    CHECK((text[4] == '-' && text[10] == 'T' && text[19] == '.'));
    CHECK(logged(LogFormat::text, spdlog::level::warn, "m").substr(23) == "Z warning m\n");

    const auto line = logged(LogFormat::json, spdlog::level::err, "a \"b\"\n\\c\xff");
    CHECK(line.find('\n') == line.size() - 1);
    const auto json = boost::json::parse(line).as_object();
    CHECK(json.at("level").as_string() == "error");
    CHECK(json.at("msg").as_string() == "a \"b\"\n\\c\uFFFD");
    CHECK(json.at("time").as_string().size() == 24);
    CHECK(json.size() == 3);
}

TEST_CASE("lines for the journal begin with their priority and leave the time to it")
{
    const auto [level, begin] = GENERATE(values<std::pair<spdlog::level::level_enum, std::string>>({
        {spdlog::level::trace, "<7>trace "},
        {spdlog::level::debug, "<7>debug "},
        {spdlog::level::info, "<6>info  "},
        {spdlog::level::warn, "<4>warning "},
        {spdlog::level::err, "<3>error "},
        {spdlog::level::critical, "<2>critical "},
    }));
    CHECK(logged(LogFormat::text, level, "a message", LogReader::journal) == begin + "a message\n");
    const auto json = logged(LogFormat::json, level, "a message", LogReader::journal);
    CHECK(json.substr(0, 4) == begin.substr(0, 3) + "{");
    CHECK(boost::json::parse(json.substr(3)).at("msg").as_string() == "a message");
}

TEST_CASE("the journal reads if JOURNAL_STREAM names what standard error is")
{
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    struct stat file = {};
    REQUIRE(::fstat(ends[1], &file) == 0);
    const auto device = std::to_string(file.st_dev);
    const auto inode = std::to_string(file.st_ino);
    CHECK(reader_of(ends[1], (device + ":" + inode).c_str()) == LogReader::journal);
    CHECK(reader_of(ends[1], nullptr) == LogReader::any);
    for (const auto& other : {std::string{}, inode, device + ":", device + ":" + inode + "1",
                              device + "1:" + inode, device + ":" + inode + " "})
        CHECK(reader_of(ends[1], other.c_str()) == LogReader::any);
    ::close(ends[0]);
    ::close(ends[1]);
    CHECK(reader_of(ends[1], (device + ":" + inode).c_str()) == LogReader::any);
}

}  // namespace
}  // namespace route
