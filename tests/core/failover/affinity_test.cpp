#include "core/failover/affinity.hpp"

#include <map>
#include <string>
#include <vector>

#include "core/failover/candidates.hpp"
#include "tests/support/catch.hpp"

namespace route {

namespace {

using Clock = std::chrono::steady_clock;

std::shared_ptr<const Upstream> upstream(const std::string& name, int weight = 1, int priority = 0)
{
    UpstreamDefinition definition;
    definition.name = name;
    definition.sk = "sk";
    definition.weight = weight;
    definition.priority = priority;
    auto made = make_upstream(definition, nullptr, nullptr);
    REQUIRE(made.has_value());
    return std::make_shared<const Upstream>(*std::move(made));
}

/// The names in the order of one session.
std::vector<std::string> order_of(const Upstreams& upstreams, const std::string& session)
{
    const auto order = candidates(upstreams, {"m", "/"}, {UpstreamOrder::random, session}, Clock::now(),
                                  [] { return std::uint64_t{0}; });
    std::vector<std::string> names;
    for (const auto* one : order)
        names.push_back(one->name);
    return names;
}

constexpr int sessions = 10'000;

}  // namespace

TEST_CASE("when one of five upstreams leaves, only its sessions move, each to the one that was its next")
{
    const Upstreams five{upstream("a"), upstream("b"), upstream("c"), upstream("d"), upstream("e")};
    Upstreams four{five[0], five[1], five[3], five[4]};
    int moved = 0;
    for (int session = 0; session < sessions; ++session) {
        const auto before = order_of(five, std::to_string(session));
        const auto after = order_of(four, std::to_string(session));
        if (before.front() == "c") {
            ++moved;
            REQUIRE(after.front() == before[1]);
        } else {
            REQUIRE(after.front() == before.front());
        }
    }
    CHECK(moved > sessions / 5 * 9 / 10);
    CHECK(moved < sessions / 5 * 11 / 10);
}

TEST_CASE("each upstream is the first of a share of the sessions that is as large as its weight")
{
    const Upstreams all{upstream("a", 1), upstream("b", 3), upstream("c", 0), upstream("d", 6)};
    std::map<std::string, int> first;
    for (int session = 0; session < sessions; ++session) {
        const auto order = order_of(all, std::to_string(session));
        ++first[order.front()];
        REQUIRE(order.back() == "c");
    }
    CHECK(std::abs(first["a"] - sessions / 10) < sessions / 50);
    CHECK(std::abs(first["b"] - sessions * 3 / 10) < sessions / 50);
    CHECK(std::abs(first["d"] - sessions * 6 / 10) < sessions / 50);
}

TEST_CASE("the order of a session is the same wherever and in whatever order its upstreams are known")
{
    const Upstreams one{upstream("azure"), upstream("openai"), upstream("local")};
    const Upstreams other{one[2], one[0], one[1]};
    for (const char* session : {"a", "b", "c", "0190-session"})
        CHECK(order_of(one, session) == order_of(other, session));
    // What routers of another build say, too.
    CHECK(order_of(one, "a") == std::vector<std::string>{"azure", "openai", "local"});
}

TEST_CASE("a session stays within priorities, and does not count where order is by priority")
{
    const Upstreams all{upstream("a", 1, 0), upstream("b", 1, 1), upstream("c", 1, 1)};
    for (int session = 0; session < 100; ++session)
        REQUIRE(order_of(all, std::to_string(session)).front() == "a");
    const auto by_priority = candidates(all, {"m", "/"}, {UpstreamOrder::priority, "s"}, Clock::now(),
                                        [] { return std::uint64_t{0}; });
    CHECK(by_priority[1]->name == "b");
}

}  // namespace route
