#include "core/failover/timeouts.hpp"

#include "tests/support/catch.hpp"

using namespace route;

namespace {

TimeoutSettings settings()
{
    TimeoutSettings result;
    result.default_ = Seconds{60};
    result.stream = Seconds{5};
    result.large_body = Seconds{20};
    result.large_body_over = 1000;
    result.single = Seconds{120};
    result.connect = Seconds{2.5};
    result.idle = Seconds{300};
    result.first_content = Seconds{4};
    return result;
}

}  // namespace

TEST_CASE("of the timeouts the later ones win")
{
    struct Row
    {
        bool stream;
        std::uint64_t body_bytes;
        bool last;
        double own;
        double own_stream;
        double head;
    };
    const Row rows[] = {
        {false, 0, false, 0, 0, 60},    {true, 0, false, 0, 0, 5},    {false, 1000, false, 0, 0, 60},
        {false, 1001, false, 0, 0, 20}, {true, 1000, false, 0, 0, 5}, {true, 1001, false, 0, 0, 20},
        {false, 0, true, 0, 0, 120},    {true, 0, true, 0, 0, 120},   {true, 1001, true, 0, 0, 120},
        {false, 0, false, 7, 0, 7},     {true, 0, false, 7, 0, 7},    {true, 1001, true, 7, 0, 7},
        {false, 0, false, 0, 9, 60},    {true, 0, false, 0, 9, 9},    {false, 1001, false, 0, 9, 20},
        {true, 1001, true, 0, 9, 9},    {false, 0, false, 7, 9, 7},   {true, 0, false, 7, 9, 9},
        {true, 1001, true, 7, 9, 9},    {false, 1001, true, 7, 9, 7}, {false, 0, true, 0, 9, 120},
    };
    for (const auto& row : rows) {
        CAPTURE(row.stream, row.body_bytes, row.last, row.own, row.own_stream);
        Upstream upstream;
        if (row.own > 0)
            upstream.timeout = Seconds{row.own};
        if (row.own_stream > 0)
            upstream.stream_timeout = Seconds{row.own_stream};
        const auto limits = attempt_timeouts(settings(), {row.stream, row.body_bytes, row.last}, upstream);
        CHECK(limits.head.count() == row.head);
        CHECK(limits.connect.count() == 2.5);
        CHECK(limits.idle.count() == 300);
        CHECK(limits.first_content.count() == (row.last ? 0 : 4));
    }
}

TEST_CASE("single counts for the last candidate where it is longer")
{
    struct Row
    {
        double single;
        bool stream;
        std::uint64_t body_bytes;
        double head;
    };
    for (const auto& row : {Row{3, false, 0, 60}, Row{3, true, 0, 5}, Row{30, true, 0, 30},
                            Row{30, false, 0, 60}, Row{19, false, 1001, 20}, Row{21, true, 1001, 21}}) {
        CAPTURE(row.single, row.stream, row.body_bytes);
        auto limits = settings();
        limits.single = Seconds{row.single};
        CHECK(attempt_timeouts(limits, {row.stream, row.body_bytes, true}, {}).head.count() == row.head);
    }
}

TEST_CASE("an upstream's own first_content_timeout wins, but for the last candidate")
{
    struct Row
    {
        std::optional<Seconds> own;
        bool last;
        double first_content;
    };
    for (const auto& row : {Row{{}, false, 4}, Row{Seconds{9}, false, 9}, Row{Seconds{0}, false, 0},
                            Row{{}, true, 0}, Row{Seconds{9}, true, 0}}) {
        CAPTURE(row.own.value_or(Seconds{-1}).count(), row.last);
        Upstream upstream;
        upstream.first_content_timeout = row.own;
        CHECK(attempt_timeouts(settings(), {true, 0, row.last}, upstream).first_content.count() ==
              row.first_content);
    }
}
