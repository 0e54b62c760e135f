#include "metrics/metrics.hpp"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>

#include "core/text.hpp"
#include "tests/metrics/metrics_support.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::metrics;

namespace {

Gauges gauges()
{
    return {.requests_in_flight = [] { return std::uint64_t{3}; },
            .record_queue_bytes = [] { return std::uint64_t{4096}; },
            .outbox_records = [] { return std::uint64_t{0}; },
            .database_bytes = [] { return std::optional<std::uint64_t>{1u << 20}; },
            .disk = [] { return std::optional{Disk{5, 10}}; },
            .log_lines_dropped = [] { return std::uint64_t{7}; },
            .upstreams = [] { return std::vector<std::pair<std::string, bool>>{{"a", true}, {"b", false}}; }};
}

AttemptRecord attempt(std::string upstream, AttemptOutcome outcome)
{
    AttemptRecord result;
    result.upstream_name = std::move(upstream);
    result.outcome = outcome;
    return result;
}

/// Everything has happened once.
void use_all(Metrics& metrics)
{
    auto record = chat();
    record.attempts = {attempt("b", AttemptOutcome::timeout), attempt("a", AttemptOutcome::cut),
                       attempt("a", AttemptOutcome::ok)};
    record.prompt_tokens = 10;
    record.completion_tokens = 20;
    record.hedged_upstream = "a";
    record.hedge_won = true;
    metrics.observe(record);
    metrics.observe_tokens(record);
    metrics.records_written(2);
    metrics.records_dropped(1);
    metrics.record_rejected();
    metrics.record_write_seconds(0.004);
    metrics.has_channel("feishu");
    metrics.notification("feishu", "ok");
}

/// Name and type of each family, from its TYPE line.
std::map<std::string, std::string> families(const std::string& text)
{
    std::map<std::string, std::string> result;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words{line};
        std::string hash, kind, name, type;
        words >> hash >> kind >> name >> type;
        if (hash == "#" && kind == "TYPE")
            result[name] = type;
    }
    return result;
}

}  // namespace

TEST_CASE("the exposition has every instrument under its name, with help")
{
    Metrics metrics{"1.0.0", gauges()};
    use_all(metrics);
    const auto text = metrics.text();
    const std::map<std::string, std::string> expected{
        {"openai_api_route_requests_total", "counter"},
        {"openai_api_route_request_duration_seconds", "histogram"},
        {"openai_api_route_time_to_first_byte_seconds", "histogram"},
        {"openai_api_route_overhead_seconds", "histogram"},
        {"openai_api_route_attempts_total", "counter"},
        {"openai_api_route_failovers_total", "counter"},
        {"openai_api_route_retries_total", "counter"},
        {"openai_api_route_hedges_total", "counter"},
        {"openai_api_route_upstream_up", "gauge"},
        {"openai_api_route_requests_in_flight", "gauge"},
        {"openai_api_route_tokens_total", "counter"},
        {"openai_api_route_records_written_total", "counter"},
        {"openai_api_route_records_dropped_total", "counter"},
        {"openai_api_route_records_rejected_total", "counter"},
        {"openai_api_route_record_queue_bytes", "gauge"},
        {"openai_api_route_outbox_records", "gauge"},
        {"openai_api_route_database_bytes", "gauge"},
        {"openai_api_route_disk_free_bytes", "gauge"},
        {"openai_api_route_disk_bytes", "gauge"},
        {"openai_api_route_log_lines_dropped_total", "counter"},
        {"openai_api_route_record_write_seconds", "histogram"},
        {"openai_api_route_notifications_total", "counter"},
        {"openai_api_route_build_info", "gauge"},
        {"process_cpu_seconds_total", "counter"},
        {"process_resident_memory_bytes", "gauge"},
        {"process_virtual_memory_bytes", "gauge"},
        {"process_open_fds", "gauge"},
        {"process_max_fds", "gauge"},
        {"process_start_time_seconds", "gauge"},
        {"process_threads", "gauge"},
    };
    CHECK(families(text) == expected);
    for (const auto& [name, type] : expected)
        CHECK(count_lines(text, "# HELP " + name + " ") == 1);
}

TEST_CASE("promtool has no complaint")
{
    if (std::system("command -v promtool >/dev/null 2>&1") != 0)
        return;
    Metrics metrics{"1.0.0", gauges()};
    use_all(metrics);
    auto* promtool = popen("promtool check metrics", "w");
    REQUIRE(promtool != nullptr);
    const auto text = metrics.text();
    CHECK(std::fwrite(text.data(), 1, text.size(), promtool) == text.size());
    CHECK(pclose(promtool) == 0);
}

TEST_CASE("one request with a failover moves every counter it should")
{
    Metrics metrics{"1.0.0", gauges()};
    use_all(metrics);
    const auto text = metrics.text();
    const char* lines[] = {
        R"(openai_api_route_requests_total{code="200",endpoint="/v1/chat/completions",model="gpt-4o",outcome="ok"} 1)",
        R"(openai_api_route_request_duration_seconds_count{endpoint="/v1/chat/completions"} 1)",
        R"(openai_api_route_request_duration_seconds_sum{endpoint="/v1/chat/completions"} 2)",
        R"(openai_api_route_time_to_first_byte_seconds_count{stream="false",upstream="a"} 1)",
        R"(openai_api_route_time_to_first_byte_seconds_sum{stream="false",upstream="a"} 0.4)",
        R"(openai_api_route_overhead_seconds_bucket{le="2.5e-05"} 0)",
        R"(openai_api_route_overhead_seconds_bucket{le="5e-05"} 1)",
        R"(openai_api_route_attempts_total{outcome="timeout",upstream="b"} 1)",
        R"(openai_api_route_attempts_total{outcome="ok",upstream="a"} 1)",
        R"(openai_api_route_failovers_total{reason="timeout",upstream="b"} 1)",
        R"(openai_api_route_attempts_total{outcome="cut",upstream="a"} 1)",
        R"(openai_api_route_retries_total{upstream="a"} 1)",
        R"(openai_api_route_hedges_total{upstream="a",won="true"} 1)",
        R"(openai_api_route_tokens_total{model="gpt-4o",type="prompt",upstream="a"} 10)",
        R"(openai_api_route_tokens_total{model="gpt-4o",type="completion",upstream="a"} 20)",
        R"(openai_api_route_records_written_total 2)",
        R"(openai_api_route_records_dropped_total 1)",
        R"(openai_api_route_records_rejected_total 1)",
        R"(openai_api_route_record_write_seconds_count 1)",
        R"(openai_api_route_notifications_total{channel="feishu",result="ok"} 1)",
        R"(openai_api_route_notifications_total{channel="feishu",result="failed"} 0)",
        R"(openai_api_route_notifications_total{channel="feishu",result="dropped"} 0)",
        R"(openai_api_route_upstream_up{upstream="a"} 1)",
        R"(openai_api_route_upstream_up{upstream="b"} 0)",
        R"(openai_api_route_requests_in_flight 3)",
        R"(openai_api_route_record_queue_bytes 4096)",
        R"(openai_api_route_outbox_records 0)",
        R"(openai_api_route_database_bytes 1048576)",
        R"(openai_api_route_disk_free_bytes 5)",
        R"(openai_api_route_disk_bytes 10)",
        R"(openai_api_route_log_lines_dropped_total 7)",
        R"(openai_api_route_build_info{version="1.0.0"} 1)",
    };
    for (const auto* line : lines) {
        CAPTURE(line);
        CHECK(has_line(text, line));
    }
    CHECK(count_lines(text, "openai_api_route_failovers_total{") == 1);
}

TEST_CASE("a further try is no failover, and one in a later round is both")
{
    Metrics metrics{"1.0.0", {}};
    auto record = chat();
    record.attempts = {attempt("a", AttemptOutcome::cut), attempt("a", AttemptOutcome::status),
                       attempt("b", AttemptOutcome::cut), attempt("a", AttemptOutcome::ok)};
    metrics.observe(record);
    const auto text = metrics.text();
    CHECK(has_line(text, R"(openai_api_route_failovers_total{reason="status",upstream="a"} 1)"));
    CHECK(has_line(text, R"(openai_api_route_failovers_total{reason="cut",upstream="b"} 1)"));
    CHECK(count_lines(text, "openai_api_route_failovers_total{") == 2);
    CHECK(has_line(text, R"(openai_api_route_retries_total{upstream="a"} 2)"));
    CHECK(count_lines(text, "openai_api_route_retries_total{") == 1);
}

TEST_CASE("an attempt that was superseded is no failover")
{
    Metrics metrics{"1.0.0", {}};
    auto record = chat();
    record.attempts = {attempt("a", AttemptOutcome::superseded), attempt("b", AttemptOutcome::ok)};
    record.hedged_upstream = "b";
    metrics.observe(record);
    const auto text = metrics.text();
    CHECK(count_lines(text, "openai_api_route_failovers_total{") == 0);
    CHECK(has_line(text, R"(openai_api_route_attempts_total{outcome="superseded",upstream="a"} 1)"));
    CHECK(has_line(text, R"(openai_api_route_hedges_total{upstream="b",won="false"} 1)"));
}

TEST_CASE("the last failed attempt is no failover")
{
    Metrics metrics{"1.0.0", {}};
    auto record = chat();
    record.status = 502;
    record.outcome = RequestOutcome::upstream_error;
    record.upstream_name.clear();
    record.attempts = {attempt("a", AttemptOutcome::connect), attempt("b", AttemptOutcome::status)};
    metrics.observe(record);
    metrics.observe(record);
    const auto text = metrics.text();
    CHECK(has_line(text, R"(openai_api_route_failovers_total{reason="connect",upstream="a"} 2)"));
    CHECK(count_lines(text, "openai_api_route_failovers_total{") == 1);
    CHECK(has_line(text, R"(openai_api_route_attempts_total{outcome="status",upstream="b"} 2)"));
    CHECK(count_lines(text, "openai_api_route_time_to_first_byte_seconds_count{") == 0);
    CHECK(has_line(text, R"(openai_api_route_requests_total{code="502",endpoint="/v1/chat/completions",)"
                         R"(model="other",outcome="upstream_error"} 2)"));
}

TEST_CASE("what nobody knows is not exposed, and counters of records begin at 0")
{
    Metrics metrics{"1.0.0", {}};
    const auto text = metrics.text();
    CHECK(has_line(text, "openai_api_route_records_written_total 0"));
    CHECK(has_line(text, "openai_api_route_records_dropped_total 0"));
    CHECK(has_line(text, "openai_api_route_records_rejected_total 0"));
    CHECK(families(text).count("openai_api_route_requests_in_flight") == 0);
    CHECK(families(text).count("openai_api_route_upstream_up") == 0);
}

TEST_CASE("the series of a removed upstream disappears from upstream_up")
{
    std::vector<std::pair<std::string, bool>> upstreams{{"a", true}, {"b", true}};
    Metrics metrics{"1.0.0", {.upstreams = [&] { return upstreams; }}};
    CHECK(count_lines(metrics.text(), "openai_api_route_upstream_up{") == 2);
    upstreams.pop_back();
    upstreams.front().second = false;
    CHECK(count_lines(metrics.text(), "openai_api_route_upstream_up{") == 1);
    CHECK(has_line(metrics.text(), R"(openai_api_route_upstream_up{upstream="a"} 0)"));
}

TEST_CASE("model is one of the first 100 names that had a 2xx, else other")
{
    Metrics metrics{"1.0.0", {}};
    const auto failed = [&](const std::string& model) {
        auto record = chat(model);
        record.status = 404;
        record.outcome = RequestOutcome::rejected;
        metrics.observe(record);
    };
    for (int i = 0; i < 10'000; ++i)
        failed("made-up-" + std::to_string(i));
    for (int i = 0; i < 10'000; ++i) {
        auto record = chat(model_name(i));
        record.prompt_tokens = 1;
        metrics.observe(record);
        metrics.observe_tokens(record);
    }
    failed("model-99");
    failed("model-100");

    const auto text = metrics.text();
    const std::string requests =
        R"(openai_api_route_requests_total{code="200",endpoint="/v1/chat/completions",model=")";
    const std::string not_found =
        R"(openai_api_route_requests_total{code="404",endpoint="/v1/chat/completions",model=")";
    CHECK(count_lines(text, requests) == 101);
    CHECK(has_line(text, requests + R"(model-99",outcome="ok"} 1)"));
    CHECK(has_line(text, requests + R"(other",outcome="ok"} 9900)"));
    CHECK(has_line(text, not_found + R"(model-99",outcome="rejected"} 1)"));
    CHECK(has_line(text, not_found + R"(other",outcome="rejected"} 10001)"));
    CHECK(count_lines(text, "openai_api_route_tokens_total{") == 101);
    CHECK(has_line(text, R"(openai_api_route_tokens_total{model="other",type="prompt",upstream="a"} 9900)"));
}

TEST_CASE("labels are valid UTF-8, escaped and of bounded length")
{
    Metrics metrics{"1.0.0", {}};
    metrics.observe(chat("a\"b\\c\nd"));
    metrics.observe(chat("bad\xff"));
    metrics.observe(chat("bad\xff"));
    metrics.observe(chat(std::string(127, 'x') + "é" + std::string(1000, 'y')));
    auto no_model = chat("");
    metrics.observe(no_model);
    no_model.model.reset();
    no_model.path = "/v1/secret/path";
    metrics.observe(no_model);
    const auto text = metrics.text();
    const std::string chats =
        R"(openai_api_route_requests_total{code="200",endpoint="/v1/chat/completions",model=")";
    CHECK(valid_utf8(text));
    CHECK(has_line(text, chats + R"(a\"b\\c\nd",outcome="ok"} 1)"));
    CHECK(has_line(text, chats + "bad\uFFFD\",outcome=\"ok\"} 2"));
    CHECK(has_line(text, chats + std::string(127, 'x') + R"(",outcome="ok"} 1)"));
    CHECK(has_line(text, chats + R"(",outcome="ok"} 1)"));
    CHECK(has_line(
        text, R"(openai_api_route_requests_total{code="200",endpoint="other",model="",outcome="ok"} 1)"));
    CHECK(text.find("secret") == std::string::npos);
}

TEST_CASE("tokens that make no sense are not counted")
{
    Metrics metrics{"1.0.0", {}};
    auto record = chat();
    metrics.observe_tokens(record);
    record.prompt_tokens = -5;
    record.completion_tokens = 0;
    metrics.observe_tokens(record);
    record.upstream_name.clear();
    record.prompt_tokens = 5;
    metrics.observe_tokens(record);
    CHECK(count_lines(metrics.text(), "openai_api_route_tokens_total{") == 0);
}

TEST_CASE("process values are plausible")
{
    const auto text = Metrics{"1.0.0", {}}.text();
    std::map<std::string, double> values;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("process_"))
            values[line.substr(0, line.find(' '))] = std::stod(line.substr(line.find(' ') + 1));
    CHECK(values["process_cpu_seconds_total"] >= 0);
    CHECK(values["process_resident_memory_bytes"] > 1e6);
    CHECK(values["process_virtual_memory_bytes"] >= values["process_resident_memory_bytes"]);
    CHECK(values["process_open_fds"] >= 1);
    CHECK(values["process_max_fds"] >= values["process_open_fds"]);
    CHECK(values["process_threads"] >= 1);
    const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
    CHECK(values["process_start_time_seconds"] <= now.count() + 2);
    CHECK(values["process_start_time_seconds"] > now.count() - 86400);
}
