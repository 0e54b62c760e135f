#include "app/access_log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <boost/json.hpp>
#include <cmath>
#include <sstream>

#include "app/log_setup.hpp"
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

TEST_CASE("a line of text about a request")
{
    CHECK(access_line(sample(), LogFormat::text) ==
          "0190-id 1.2.3.4 POST /v1/chat/completions status=200 outcome=ok model=gpt-4o upstream=first "
          "attempts=2 "
          "ms=12.345 first_byte_ms=1.005 tokens=7 key=\"Alice A\"");
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
    CHECK(json.size() == 19);
}

TEST_CASE("text from outside neither breaks the line nor grows it")
{
    Record record = sample();
    record.model = "a\n\"b\"\x1b\xff" + std::string(10'000, 'x');
    record.path = "/v1/\r\nFAKE";
    record.error = "\xe2\x80\xae";
    for (const auto format : {LogFormat::text, LogFormat::json}) {
        const auto line = access_line(record, format);
        CHECK(line.find_first_of("\r\n\x1b") == std::string::npos);
        CHECK(line.size() < 1000);
    }
    CHECK_NOTHROW(boost::json::parse(access_line(record, LogFormat::json)));
}

std::string logged(LogFormat format, spdlog::level::level_enum level, const std::string& message)
{
    std::ostringstream out;
    spdlog::logger logger{"test", std::make_shared<spdlog::sinks::ostream_sink_st>(out)};
    logger.set_formatter(log_formatter(format));
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

}  // namespace
}  // namespace route
