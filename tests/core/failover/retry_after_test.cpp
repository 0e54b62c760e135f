#include "core/failover/retry_after.hpp"

#include "tests/support/catch.hpp"

using namespace route;
using namespace std::chrono_literals;

namespace {

// Sun, 06 Nov 1994 08:49:37 GMT
constexpr std::chrono::system_clock::time_point reference_time{784111777s};

std::optional<std::int64_t> seconds(std::string_view value,
                                    std::chrono::system_clock::time_point when = reference_time)
{
    const auto wait = parse_retry_after(value, when);
    if (!wait)
        return std::nullopt;
    CHECK(*wait % 1s == 0ms);
    return wait->count() / 1000;
}

}  // namespace

TEST_CASE("Retry-After in seconds")
{
    CHECK(seconds("0") == 0);
    CHECK(seconds("120") == 120);
    CHECK(seconds(" \t7 ") == 7);
    CHECK(seconds("007") == 7);
    CHECK(seconds("4294967295") == 365 * 86400);
    CHECK(seconds("99999999999999999999999") == 365 * 86400);
    for (const auto* bad : {"", " ", "-1", "+1", "1.", ".5", "1e3", "0x1p3", "inf", "1.5.2", "1s", "1 2",
                            "0x10", "soon", "1,2"}) {
        CAPTURE(bad);
        CHECK_FALSE(seconds(bad));
    }
    CHECK_FALSE(seconds(std::string(1000, '1')));
}

TEST_CASE("Retry-After in fractions of seconds is never shorter than asked for")
{
    struct Case
    {
        const char* value;
        std::chrono::milliseconds wait;
    };
    for (const auto& [value, wait] :
         {Case{"12.5", 12'500ms}, Case{"0.25", 250ms}, Case{"0.0001", 1ms}, Case{"0.0", 0ms},
          Case{" 1.000 ", 1s}, Case{"99999999999.9", 365 * 24h}}) {
        CAPTURE(value);
        CHECK(parse_retry_after(value, reference_time) == wait);
    }
}

TEST_CASE("retry-after-ms counts where both can be read")
{
    struct Case
    {
        const char* retry_after_ms;
        const char* retry_after;
        std::optional<std::chrono::milliseconds> wait;
    };
    const std::vector<Case> cases{
        {"1500", "2", 1500ms},
        {"1500.2", "2", 1501ms},
        {"0", "2", 0ms},
        {"", "2", 2s},
        {"soon", "2", 2s},
        {"-1", "2.5", 2500ms},
        {"1e3", "Sun, 06 Nov 1994 08:50:37 GMT", 60s},
        {"700", "soon", 700ms},
        {"", "", std::nullopt},
        {"soon", "-2", std::nullopt},
        {"99999999999999", "1", 365 * 24h},
    };
    for (const auto& each : cases) {
        CAPTURE(each.retry_after_ms, each.retry_after);
        CHECK(asked_wait(each.retry_after_ms, each.retry_after, reference_time) == each.wait);
    }
}

TEST_CASE("Retry-After as a date, in each of the three forms of RFC 9110 5.6.7")
{
    for (const auto* date :
         {"Sun, 06 Nov 1994 08:50:37 GMT", "Sunday, 06-Nov-94 08:50:37 GMT", "Sun Nov  6 08:50:37 1994"}) {
        CAPTURE(date);
        CHECK(seconds(date) == 60);
        CHECK(seconds(date, reference_time + 1ms) == 60);
        CHECK(seconds(date, reference_time + 60s) == 0);
        CHECK_FALSE(seconds(date, reference_time + 61s));
    }
    CHECK(seconds("Tue Nov 15 08:49:37 1994") == 9 * 86400);
    CHECK(seconds("Thu, 29 Feb 1996 00:00:00 GMT") == 365 * 86400);
    CHECK(seconds("Fri, 31 Dec 9999 23:59:59 GMT") == 365 * 86400);
}

TEST_CASE("a two-digit year more than fifty years ahead is past")
{
    const std::chrono::sys_days today{std::chrono::year{2026} / 1 / 31};
    CHECK(seconds("Saturday, 31-Jan-26 00:01:00 GMT", today) == 60);
    CHECK(seconds("Friday, 31-Jan-76 00:01:00 GMT", today) == 365 * 86400);
    CHECK_FALSE(seconds("Monday, 31-Jan-77 00:01:00 GMT", today));
    CHECK_FALSE(seconds("Sunday, 06-Nov-94 08:50:37 GMT", today));
}

TEST_CASE("what is no date is unreadable")
{
    for (const auto* bad :
         {"Sun, 06 Nov 1994 08:50:37", "Sun, 06 Nov 1994 08:50:37 CET", "Sun, 06 Nov 1994 08:50:37 GMT x",
          "Sun, 31 Feb 1995 08:50:37 GMT", "Sun, 06 Foo 1995 08:50:37 GMT", "Sun, 06 Nov 1995 25:50:37 GMT",
          "Sun, 06 Nov", "1995-11-06T08:50:37Z"}) {
        CAPTURE(bad);
        CHECK_FALSE(seconds(bad));
    }
}
