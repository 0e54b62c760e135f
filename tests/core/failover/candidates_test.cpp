#include "core/failover/candidates.hpp"

#include <cmath>
#include <map>
#include <random>

#include "tests/support/catch.hpp"

using namespace route;
using std::chrono::steady_clock;

namespace {

const steady_clock::time_point now{std::chrono::hours{1}};

std::shared_ptr<Upstream> upstream(std::string name, int priority = 0, int weight = 1)
{
    auto result = std::make_shared<Upstream>();
    result->name = std::move(name);
    result->priority = priority;
    result->weight = weight;
    result->cooldown = std::make_shared<Cooldown>();
    return result;
}

void rest(Cooldown& cooldown, std::chrono::seconds wait)
{
    cooldown.failed({}, false, now, {now, wait}, {1000, std::chrono::hours{1}});
}

std::string names(const std::vector<const Upstream*>& order)
{
    std::string text;
    for (const auto* one : order)
        text += one->name;
    return text;
}

std::uint64_t never()
{
    FAIL("the order by priority asked for a random number");
    return 0;
}

std::string in_order(const Upstreams& upstreams,
                     const ModelAndPath& wanted = {"gpt-4o", "/v1/chat/completions"})
{
    return names(candidates(upstreams, wanted, {}, now, never));
}

}  // namespace

TEST_CASE("candidates keep the order of the upstreams")
{
    CHECK(in_order({upstream("a", -1), upstream("b"), upstream("c", 7)}) == "abc");
    CHECK(in_order({}).empty());
}

TEST_CASE("candidates are only those that allow the model or the path")
{
    auto a = upstream("a");
    a->allow = {"gpt-*"};
    auto b = upstream("b");
    b->deny = {"gpt-4o"};
    auto c = upstream("c");
    c->allow = {"/v1/files*"};
    auto d = upstream("d");
    const Upstreams all{a, b, c, d};
    CHECK(in_order(all) == "ad");
    CHECK(in_order(all, {"claude", "/v1/messages"}) == "bd");
    CHECK(in_order(all, {std::nullopt, "/v1/files/f-1"}) == "bcd");
    CHECK(in_order(all, {std::nullopt, "/v1/batches"}) == "bd");
}

TEST_CASE("candidates in cooldown move to the end in their order and are never left out")
{
    auto a = upstream("a");
    auto b = upstream("b");
    auto c = upstream("c", 1);
    auto d = upstream("d", 2);
    const Upstreams all{a, b, c, d};
    rest(*a->cooldown, std::chrono::seconds{5});
    rest(*c->cooldown, std::chrono::seconds{5});
    CHECK(in_order(all) == "bdac");
    rest(*b->cooldown, std::chrono::seconds{1});
    rest(*d->cooldown, std::chrono::seconds{1});
    CHECK(in_order(all) == "abcd");
    d->cooldown->succeeded({});
    d->cooldown.reset();
    CHECK(in_order(all) == "dabc");
}

TEST_CASE("random order shuffles by weight within equal priority")
{
    const Upstreams all{upstream("a", 0, 3), upstream("b", 0, 1), upstream("c", 0, 0), upstream("x", 1),
                        upstream("y", 1)};
    std::mt19937_64 engine{42};
    std::map<std::string, int> count;
    constexpr int rounds = 8000;
    for (int i = 0; i < rounds; ++i)
        ++count[names(candidates(all, {"m", "/"}, {UpstreamOrder::random}, now, [&] { return engine(); }))];

    REQUIRE(count.size() == 4);  // "c" of weight 0 is never before "a" and "b"; priorities never mix
    const auto share = [&](const std::string& order) { return count[order] * 8.0 / rounds; };
    CHECK(std::abs(share("abcxy") - 3) < 0.3);
    CHECK(std::abs(share("abcyx") - 3) < 0.3);
    CHECK(std::abs(share("bacxy") - 1) < 0.3);
    CHECK(std::abs(share("bacyx") - 1) < 0.3);
}

TEST_CASE("random order among weights of 0 is even, and cooldown counts after it")
{
    const Upstreams all{upstream("a", 0, 0), upstream("b", 0, 0), upstream("c", 0, 5)};
    rest(*all[2]->cooldown, std::chrono::seconds{5});
    std::mt19937_64 engine{7};
    std::map<std::string, int> count;
    for (int i = 0; i < 4000; ++i)
        ++count[names(candidates(all, {"m", "/"}, {UpstreamOrder::random}, now, [&] { return engine(); }))];
    REQUIRE(count.size() == 2);
    CHECK(std::abs(count["abc"] - 2000) < 200);
    CHECK(std::abs(count["bac"] - 2000) < 200);
}

TEST_CASE("an upstream with as many attempts as it takes at once is tried last, and never left out")
{
    const auto a = upstream("a");
    const auto b = upstream("b");
    const auto c = upstream("c");
    a->max_in_flight = 2;
    c->max_in_flight = 1;
    for (const auto& each : {a, b, c})
        each->in_flight = std::make_shared<InFlight>();
    InFlight::Place first{a->in_flight};
    CHECK(in_order({a, b, c}) == "abc");
    {
        const InFlight::Place second{a->in_flight};
        CHECK(in_order({a, b, c}) == "bca");
        const InFlight::Place third{c->in_flight};
        CHECK(in_order({a, b, c}) == "bac");
        rest(*b->cooldown, std::chrono::seconds{10});
        CHECK(in_order({a, b, c}) == "abc");
    }
    CHECK(a->in_flight->count() == 1);
    InFlight::Place moved{std::move(first)};
    CHECK(a->in_flight->count() == 1);
    moved.leave();
    moved.leave();
    CHECK(a->in_flight->count() == 0);
}

TEST_CASE("an upstream whose endpoint names the model needs one")
{
    const auto named = upstream("a");
    named->endpoint = parse_endpoint("https://h/deployments/{model}").value();
    named->rename = {{"up", ".."}, {".", "gpt-4o"}};
    const Upstreams upstreams{named, upstream("b")};
    CHECK(in_order(upstreams) == "ab");
    CHECK(in_order(upstreams, {std::nullopt, "/v1/files"}) == "b");
    CHECK(in_order(upstreams, {"", "/v1/chat/completions"}) == "b");
    CHECK(in_order(upstreams, {"up", "/v1/chat/completions"}) == "b");
    CHECK(in_order(upstreams, {".", "/v1/chat/completions"}) == "ab");
    CHECK(in_order(upstreams, {"a name that was cut", "/v1/chat/completions", true}) == "b");
}
