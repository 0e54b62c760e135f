#include "core/failover/tries.hpp"

#include <string>
#include <vector>

#include "tests/support/catch.hpp"

namespace route {

namespace {

using std::chrono::milliseconds;
using Duration = TryRules::Duration;

constexpr std::uint64_t longest_random = ~std::uint64_t{0};

/// One that may be over at once.
TryFailure passing(int retries = 0)
{
    TryFailure failure;
    failure.further = FurtherTry::at_once;
    failure.retries = retries;
    return failure;
}

TryFailure asking(TryFailure failure, Duration wait)
{
    failure.asked_wait = wait;
    return failure;
}

TryFailure failing(FurtherTry further, int retries)
{
    TryFailure failure;
    failure.further = further;
    failure.retries = retries;
    return failure;
}

/// The upstreams tried when every try fails in that way: "0 0 1".
std::string order(Tries tries, const TryFailure& failure)
{
    std::string tried = std::to_string(tries.index());
    while (tries.next(failure))
        tried += " " + std::to_string(tries.index());
    return tried;
}

}  // namespace

TEST_CASE("which upstreams are tried, in which order, when every try fails")
{
    struct Row
    {
        const char* name;
        std::size_t upstreams;
        int rounds;
        TryFailure failure;
        const char* order;
    };
    const TryRules rules{1, milliseconds{3000}};
    const Row rows[] = {
        {"each once", 3, 1, passing(), "0 1 2"},
        {"an only one", 1, 1, passing(), "0"},
        {"each again", 2, 1, passing(2), "0 0 0 1 1 1"},
        {"a timeout is not tried again", 2, 3, failing(FurtherTry::none, 2), "0 1"},
        {"a blank answer not at the same one, but in the next round", 2, 2,
         failing(FurtherTry::in_next_round, 2), "0 1 0 1"},
        {"rounds", 2, 3, passing(), "0 1 0 1 0 1"},
        {"rounds of tries", 2, 2, passing(1), "0 0 1 1 0 0 1 1"},
        {"rounds of an only one", 1, 3, passing(), "0 0 0"},
        {"a wait that is short enough", 2, 2, asking(passing(1), milliseconds{3000}), "0 0 1 1 0 0 1 1"},
        {"a wait that is too long is not waited for", 2, 2, asking(passing(1), milliseconds{3001}), "0 1"},
    };
    for (const auto& row : rows) {
        CAPTURE(row.name);
        auto own = rules;
        own.rounds = row.rounds;
        CHECK(order(Tries{row.upstreams, own}, row.failure) == row.order);
    }
}

TEST_CASE("the wait before a further try is what the reply asks for, else random and doubled each time")
{
    Tries tries{1, {1, milliseconds{3000}}};
    auto failure = passing(100);
    failure.random = 0;
    CHECK(tries.next(failure) == Duration{});
    CHECK(tries.next(asking(failure, milliseconds{1200})) == Duration{milliseconds{1200}});
    CHECK(tries.next(asking(failure, milliseconds{0})) == Duration{});
    std::vector<Duration> longest;
    for (int further = 0; further < 8; ++further) {
        Tries again{1, {1, milliseconds{3000}}};
        for (int before = 0; before < further; ++before)
            again.next(failure);
        Duration most{};
        for (std::uint64_t random = 0; random < 2000; ++random) {
            auto copy = again;
            failure.random = random * (longest_random / 2000);
            const auto wait = copy.next(failure);
            REQUIRE(wait);
            most = std::max(most, *wait);
        }
        failure.random = 0;
        longest.push_back(most);
    }
    const int bounds[] = {250, 500, 1000, 2000, 3000, 3000, 3000, 3000};
    for (std::size_t further = 0; further < longest.size(); ++further) {
        CAPTURE(further);
        CHECK(longest[further] <= milliseconds{bounds[further]});
        CHECK(longest[further] > milliseconds{bounds[further]} * 9 / 10);
    }
}

TEST_CASE("without retry_wait further tries come at once, and only where nothing is asked for")
{
    Tries tries{2, {1, Duration{}}};
    auto failure = passing(1);
    failure.random = longest_random;
    CHECK(tries.next(failure) == Duration{});
    CHECK(tries.index() == 0);
    CHECK(tries.next(asking(failure, milliseconds{1})) == Duration{});
    CHECK(tries.index() == 1);
    CHECK(tries.next(asking(failure, milliseconds{1})) == std::nullopt);
}

TEST_CASE("before a further round the longest wait counts that one of the round asked for")
{
    Tries tries{3, {2, milliseconds{3000}}};
    CHECK(tries.next(asking(passing(), milliseconds{2000})) == Duration{});
    CHECK(tries.next(passing()) == Duration{});
    CHECK(tries.next(asking(passing(), milliseconds{1000})) == Duration{milliseconds{2000}});
    CHECK(tries.index() == 0);
    SECTION("one of an earlier round is forgotten")
    {
        Tries third{1, {3, milliseconds{3000}}};
        CHECK(third.next(asking(passing(), milliseconds{2000})) == Duration{milliseconds{2000}});
        CHECK(third.next(asking(passing(), milliseconds{10})) == Duration{milliseconds{10}});
    }
    SECTION("a failure that stays ends the rounds")
    {
        Tries other{2, {9, milliseconds{3000}}};
        CHECK(other.next(failing(FurtherTry::none, 0)) == Duration{});
        CHECK(other.next(passing()) == std::nullopt);
    }
}

TEST_CASE("nothing is tried beyond the time of the request, nor waited for")
{
    auto late = passing(1);
    late.time_left = milliseconds{500};
    SECTION("a wait that would end after it: the next upstream at once")
    {
        Tries tries{2, {1, milliseconds{3000}}};
        CHECK(tries.next(asking(late, milliseconds{500})) == Duration{});
        CHECK(tries.index() == 1);
    }
    SECTION("a shorter one is waited for")
    {
        Tries tries{2, {1, milliseconds{3000}}};
        CHECK(tries.next(asking(late, milliseconds{499})) == Duration{milliseconds{499}});
        CHECK(tries.again());
    }
    SECTION("it is over")
    {
        Tries tries{2, {9, milliseconds{3000}}};
        late.time_left = Duration{};
        CHECK(tries.next(late) == std::nullopt);
    }
}

TEST_CASE("the last upstream is the last in the list, in every round")
{
    Tries tries{2, {2, milliseconds{3000}}};
    CHECK_FALSE(tries.last_upstream());
    tries.next(passing());
    CHECK(tries.last_upstream());
    tries.next(passing());
    CHECK_FALSE(tries.last_upstream());
}

}  // namespace route
