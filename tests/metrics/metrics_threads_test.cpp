#include <thread>

#include "metrics/metrics.hpp"
#include "metrics/model_label.hpp"
#include "tests/metrics/metrics_support.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::metrics;

TEST_CASE("threads count together, while others ask for the exposition")
{
    constexpr int threads = 4;
    constexpr int requests = 2000;
    Metrics metrics{"1.0.0",
                    {.upstreams = [] { return std::vector<std::pair<std::string, bool>>{{"a", true}}; }}};
    std::vector<std::thread> running;
    for (int thread = 0; thread < threads; ++thread)
        running.emplace_back([&metrics, thread] {
            for (int i = 0; i < requests; ++i) {
                auto record = chat(model_name((i * 7 + thread * 31) % 300));
                record.prompt_tokens = 1;
                metrics.observe(record);
                metrics.observe_tokens(record);
                metrics.records_written(1);
                metrics.record_write_seconds(0.001);
                if (i % 100 == 0)
                    metrics.notification("matrix", "failed");
            }
        });
    std::size_t exposed = 0;
    running.emplace_back([&] {
        for (int i = 0; i < 20; ++i)
            exposed += metrics.text().empty() ? 0 : 1;
    });
    for (auto& thread : running)
        thread.join();

    CHECK(exposed == 20);
    const auto text = metrics.text();
    const auto total = std::to_string(threads * requests);
    CHECK(count_lines(text, "openai_api_route_requests_total{") == ModelNames::limit + 1);
    CHECK(has_line(text, R"(openai_api_route_attempts_total{outcome="ok",upstream="a"} )" + total));
    CHECK(has_line(text, "openai_api_route_overhead_seconds_count " + total));
    CHECK(has_line(text, "openai_api_route_records_written_total " + total));
    CHECK(has_line(text, R"(openai_api_route_notifications_total{channel="matrix",result="failed"} 80)"));
}

TEST_CASE("a name made known by one thread is known to the others")
{
    Metrics metrics{"1.0.0", {}};
    auto failed = chat("late");
    failed.status = 500;
    metrics.observe(failed);
    std::thread{[&metrics] { metrics.observe(chat("late")); }}.join();
    metrics.observe(failed);
    const auto text = metrics.text();
    const std::string line =
        R"(openai_api_route_requests_total{code="500",endpoint="/v1/chat/completions",model=")";
    CHECK(has_line(text, line + R"(other",outcome="ok"} 1)"));
    CHECK(has_line(text, line + R"(late",outcome="ok"} 1)"));
}

TEST_CASE("instances on one thread do not share their counters")
{
    for (int i = 0; i < 3; ++i) {
        Metrics first{"1.0.0", {}};
        Metrics second{"1.0.0", {}};
        first.observe(chat());
        second.observe(chat());
        first.observe(chat());
        CHECK(has_line(first.text(), R"(openai_api_route_attempts_total{outcome="ok",upstream="a"} 2)"));
        CHECK(has_line(second.text(), R"(openai_api_route_attempts_total{outcome="ok",upstream="a"} 1)"));
    }
}
