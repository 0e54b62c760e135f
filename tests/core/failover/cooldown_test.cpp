// The cooldowns of an upstream and of models at it, and whose turn it is.
#include "core/failover/cooldown.hpp"

#include <string>
#include <vector>

#include "core/failover/candidates.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace std::chrono_literals;

namespace {

const Cooldown::TimePoint start_time{100h};
const CooldownRule at_once{1, 30s};

std::optional<Cooldown::Begun> fail_once(Cooldown& cooldown, std::string_view model, bool rate_limited,
                                         Cooldown::TimePoint when = start_time)
{
    return cooldown.failed(model, rate_limited, when, {when}, at_once);
}

std::shared_ptr<Upstream> resting_one(std::string name)
{
    auto upstream = std::make_shared<Upstream>();
    upstream->name = std::move(name);
    upstream->cooldown = std::make_shared<Cooldown>();
    return upstream;
}

std::string in_row(const std::vector<const Upstream*>& order)
{
    std::string text;
    for (const auto* one : order)
        text += one->name;
    return text;
}

}  // namespace

TEST_CASE("a 429 concerns the model, any other failure the upstream")
{
    struct Case
    {
        const char* name;
        const char* model;
        bool rate_limited;
        bool rests_for_it;
        bool rests_for_others;
    };
    for (const auto& each : {Case{"429 of a model", "m", true, true, false},
                             Case{"another failure with a model", "m", false, true, true},
                             Case{"429 without a model", "", true, true, true},
                             Case{"another failure without a model", "", false, true, true}}) {
        CAPTURE(each.name);
        Cooldown cooldown;
        const auto start = fail_once(cooldown, each.model, each.rate_limited);
        REQUIRE(start);
        CHECK(start->of_model == !each.rests_for_others);
        CHECK(start->length == 5s);
        CHECK(cooldown.has_turn(each.model, start_time) != each.rests_for_it);
        CHECK(cooldown.has_turn("other", start_time) != each.rests_for_others);
        CHECK(cooldown.active(start_time) == each.rests_for_others);
        CHECK(cooldown.has_turn(each.model, start_time + 5s));
    }
}

TEST_CASE("a success ends the cooldown of the upstream and of its own model")
{
    Cooldown cooldown;
    fail_once(cooldown, "a", true);
    fail_once(cooldown, "b", true);
    fail_once(cooldown, "b", false);
    CHECK(cooldown.active(start_time));
    const auto ends = cooldown.succeeded("a");
    CHECK(ends.upstream);
    CHECK(ends.model);
    CHECK(cooldown.has_turn("a", start_time));
    CHECK_FALSE(cooldown.has_turn("b", start_time));
    CHECK(cooldown.answered("b").model);
    CHECK(cooldown.has_turn("b", start_time));
    const auto none = cooldown.succeeded("b");
    CHECK_FALSE(none.upstream);
    CHECK_FALSE(none.model);
}

TEST_CASE("one request probes: the upstream, its model, or both")
{
    Cooldown cooldown;
    fail_once(cooldown, "a", true);
    fail_once(cooldown, "a", false);
    CHECK_FALSE(cooldown.take_turn("a", start_time));
    CHECK_FALSE(cooldown.take_turn("b", start_time));
    const auto later = start_time + 5s;
    {
        const auto other = cooldown.take_turn("b", later);
        REQUIRE(other);
        CHECK(other->probes());
        CHECK_FALSE(cooldown.take_turn("a", later));
        cooldown.answered("b");
        const auto turn = cooldown.take_turn("a", later);
        REQUIRE(turn);
        CHECK(turn->probes());
        CHECK_FALSE(cooldown.take_turn("a", later));
        CHECK_FALSE(cooldown.take_turn("b", later)->probes());
    }
    CHECK(cooldown.take_turn("a", later)->probes());
}

TEST_CASE("a turn that is refused for the model leaves the upstream to others")
{
    Cooldown cooldown;
    fail_once(cooldown, "", false);
    fail_once(cooldown, "a", true, start_time + 4s);
    CHECK_FALSE(cooldown.take_turn("a", start_time + 5s));
    CHECK(cooldown.take_turn("b", start_time + 5s)->probes());
}

TEST_CASE("more models than there is room for take the places of those that do not rest")
{
    Cooldown cooldown;
    const auto model = [](std::size_t i) { return "model-" + std::to_string(i); };
    for (std::size_t i = 0; i < Cooldown::most_models; ++i)
        CHECK(fail_once(cooldown, model(i), true)->of_model);
    CHECK_FALSE(cooldown.active(start_time));
    SECTION("all rest: it concerns the upstream")
    {
        CHECK_FALSE(fail_once(cooldown, "one more", true)->of_model);
        CHECK(cooldown.active(start_time));
    }
    SECTION("one does not")
    {
        cooldown.succeeded(model(7));
        CHECK(fail_once(cooldown, "one more", true)->of_model);
        CHECK_FALSE(cooldown.active(start_time));
        CHECK_FALSE(cooldown.has_turn("one more", start_time));
        CHECK(cooldown.has_turn(model(7), start_time));
    }
    for (std::size_t i = 8; i < Cooldown::most_models; ++i)
        CHECK_FALSE(cooldown.has_turn(model(i), start_time));
    CHECK(fail_once(cooldown, "much later", true, start_time + 1h)->of_model);
}

TEST_CASE("who is probed by another request, or rests since, is passed over when its turn comes")
{
    const auto a = resting_one("a");
    const auto b = resting_one("b");
    const auto c = resting_one("c");
    const Upstreams all{a, b, c};
    const ModelAndPath wanted{"m", "/v1/chat/completions"};
    const auto ordered = [&](Cooldown::TimePoint now) {
        return candidates(all, wanted, {}, now, [] { return std::uint64_t{0}; });
    };
    fail_once(*a->cooldown, "m", true);
    CHECK(in_row(ordered(start_time)) == "bca");
    const auto later = start_time + 5s;
    auto first = ordered(later);
    auto second = first;
    CHECK(in_row(first) == "abc");

    auto probe = take_turn(first, 0, wanted, later);
    CHECK(in_row(first) == "abc");
    CHECK(probe.probes());
    CHECK(in_row(ordered(later)) == "bca");
    const auto turn = take_turn(second, 0, wanted, later);
    CHECK(in_row(second) == "bca");
    CHECK_FALSE(turn.probes());

    SECTION("another fails meanwhile")
    {
        fail_once(*c->cooldown, "m", false, later);
        take_turn(second, 1, wanted, later);
        CHECK(in_row(second) == "bca");  // neither has its turn: they are tried all the same
        a->cooldown->answered("m");
        take_turn(second, 1, wanted, later);
        CHECK(in_row(second) == "bac");
    }
    SECTION("the last one is tried whatever its state")
    {
        take_turn(second, 2, wanted, later);
        CHECK(in_row(second) == "bca");
    }
    SECTION("the probe ends without a verdict")
    {
        probe.end();
        CHECK(take_turn(second, 2, wanted, later).probes());
    }
}
