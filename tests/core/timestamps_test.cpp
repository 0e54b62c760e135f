#include "core/timestamps.hpp"

#include "tests/support/catch.hpp"

using namespace route;
using namespace std::chrono_literals;

namespace {
const SystemTime sample_time{std::chrono::milliseconds{1769860800123}};
}

TEST_CASE("a time is written in UTC with a fixed width")
{
    CHECK(format_timestamp(sample_time) == "2026-01-31T12:00:00.123Z");
    CHECK(format_timestamp(SystemTime{}) == "1970-01-01T00:00:00.000Z");
    CHECK(format_timestamp(SystemTime{-1ms}) == "1969-12-31T23:59:59.999Z");
    CHECK(format_timestamp(sample_time + 999us) == "2026-01-31T12:00:00.123Z");
    CHECK(format_timestamp(SystemTime::min()).size() == 24);
    CHECK(format_timestamp(SystemTime::max()).size() == 24);
}

TEST_CASE("times are read as they and Go write them")
{
    const auto time = GENERATE(table<std::string, SystemTime>({
        {"2026-01-31T12:00:00.123Z", sample_time},
        {"2026-01-31 12:00:00.123", sample_time},
        {"2026-01-31 20:00:00.123+08:00", sample_time},
        {"2026-01-31 20:00:00.123456789+08:00", sample_time + 456789ns},
        {"2026-01-31 20:00:00.123 +0800 CST", sample_time},
        {"2026-01-31 20:00:00.123 +0800 CST m=+0.5", sample_time},
        {"2026-01-31 06:30:00.1230000001-05:30", sample_time},
        {"2026-01-31 12:00:00.123 +0000 UTC", sample_time},
        {"2026-01-31 12:00:00Z", sample_time - 123ms},
        {"2026-01-31 12:00", sample_time - 123ms},
        {"2026-01-31", sample_time - 12h - 123ms},
    }));
    CAPTURE(std::get<0>(time));
    CHECK(parse_timestamp(std::get<0>(time)) == std::get<1>(time));
}

TEST_CASE("what is no time is not read")
{
    const auto text = GENERATE("", "yesterday", "2026-02-30", "2026-13-01", "2026-01-31 25:00:00",
                               "2026-01-31 12:60", "0001-01-01 00:00:00+00:00", "2026-01-31 12", "20260131");
    CAPTURE(text);
    CHECK(parse_timestamp(text) == std::nullopt);
}
