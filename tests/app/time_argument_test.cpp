#include "app/cli/time_argument.hpp"

#include "core/timestamps.hpp"
#include "tests/support/catch.hpp"

namespace route::cli {
namespace {

const SystemTime now = std::chrono::sys_days{std::chrono::year{2026} / 11 / 23} + std::chrono::hours{15};

TEST_CASE("times as people write them")
{
    struct Row
    {
        const char* text;
        const char* time;
    };
    const Row row = GENERATE(values<Row>({
        {"2026-01-31", "2026-01-31T00:00:00.000Z"},
        {"2026-01-31T12:34:56Z", "2026-01-31T12:34:56.000Z"},
        {"2026-01-31t12:34:56z", "2026-01-31T12:34:56.000Z"},
        {"2026-01-31 12:34", "2026-01-31T12:34:00.000Z"},
        {"2026-01-31T12:34:56.1239999999Z", "2026-01-31T12:34:56.123Z"},
        {"2026-01-31T00:30:00+08:00", "2026-01-30T16:30:00.000Z"},
        {"2026-01-31T23:30:00-01:30", "2026-02-01T01:00:00.000Z"},
        {"2024-02-29", "2024-02-29T00:00:00.000Z"},
        {"30m", "2026-11-23T14:30:00.000Z"},
        {"2h", "2026-11-23T13:00:00.000Z"},
        {"7d", "2026-11-16T15:00:00.000Z"},
    }));
    const auto time = parse_time(row.text, now);
    REQUIRE(time.has_value());
    CHECK(format_timestamp(*time) == row.time);
}

TEST_CASE("what is no time")
{
    for (const char* text :
         {"", "now", "2026", "2026-13-01", "2026-02-30", "2026-1-1", "2026-01-31T", "2026-01-31T25:00Z",
          "2026-01-31T12:60Z", "2026-01-31T12:00:00.Z", "2026-01-31T12:00:00+0800", "2026-01-31T12:00:00Zx",
          "9999-01-01", "0000-01-01", "7", "-7d", "7 d", "+7d"})
        CHECK(parse_time(text, now).has_error());
}

}  // namespace
}  // namespace route::cli
