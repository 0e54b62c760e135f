#include "core/failover/ordering.hpp"

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/failover/candidates.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace std::chrono_literals;

namespace {

const std::chrono::steady_clock::time_point today{100h};

/// Upstreams "a", "b", … of the same priority.
class Alike
{
  public:
    explicit Alike(const std::vector<int>& weights)
    {
        for (const auto weight : weights) {
            auto upstream = std::make_shared<Upstream>();
            upstream->name = std::string(1, static_cast<char>('a' + all_.size()));
            upstream->weight = weight;
            upstream->in_flight = std::make_shared<InFlight>();
            upstream->content_time = std::make_shared<ContentTime>();
            all_.push_back(std::move(upstream));
        }
    }

    /// From now on so many more are under way at it.
    void load(std::size_t index, int count)
    {
        for (int i = 0; i < count; ++i)
            places_.emplace_back(all_.at(index)->in_flight);
    }
    ContentTime& time(std::size_t index) { return *all_.at(index)->content_time; }

    std::string order(const OrderRule& rule)
    {
        const Upstreams upstreams{all_.begin(), all_.end()};
        std::string text;
        for (const auto* one : candidates(upstreams, {"m", "/"}, rule, today, [this] { return engine_(); }))
            text += one->name;
        return text;
    }

    /// How often each is the first.
    std::map<char, int> firsts(const OrderRule& rule, int rounds)
    {
        std::map<char, int> count;
        for (int i = 0; i < rounds; ++i)
            ++count[order(rule).front()];
        return count;
    }

  private:
    std::vector<std::shared_ptr<Upstream>> all_;
    std::vector<InFlight::Place> places_;
    std::mt19937_64 engine_{11};
};

const OrderRule by_load{UpstreamOrder::least_busy};
const OrderRule by_speed{UpstreamOrder::fastest};
const OrderRule by_speed_of_streams{UpstreamOrder::fastest, {}, true};

}  // namespace

TEST_CASE("the least busy comes first")
{
    Alike alike{{1, 1, 1}};
    alike.load(0, 2);
    alike.load(1, 1);
    CHECK(alike.order(by_load) == "cba");
    alike.load(2, 3);
    CHECK(alike.order(by_load) == "bac");
}

TEST_CASE("requests under way count for less the more weight an upstream has")
{
    Alike alike{{1, 4}};
    alike.load(0, 1);
    alike.load(1, 3);
    CHECK(alike.order(by_load) == "ba");
    alike.load(1, 2);
    CHECK(alike.order(by_load) == "ab");
}

TEST_CASE("those as busy as each other come at random by weight")
{
    Alike alike{{3, 1}};
    auto first = alike.firsts(by_load, 4000);
    CHECK(std::abs(first['a'] - 3000) < 200);
    CHECK(std::abs(first['b'] - 1000) < 200);
}

TEST_CASE("weight 0 comes last in each order, however free and quick")
{
    Alike alike{{0, 1, 1, 0}};
    alike.load(1, 5);
    alike.load(2, 9);
    alike.time(1).of(false).add(1s, today);
    alike.time(2).of(false).add(2s, today);
    alike.time(0).of(false).add(1ms, today);
    for (int i = 0; i < 50; ++i) {
        CHECK(alike.order(by_load).substr(0, 2) == "bc");
        CHECK(alike.order(by_speed).substr(0, 2) == "bc");
    }
}

TEST_CASE("of two the one whose first content comes sooner is asked, of streams and whole replies apart")
{
    Alike alike{{1, 1}};
    alike.time(0).of(true).add(200ms, today);
    alike.time(1).of(true).add(300ms, today);
    alike.time(0).of(false).add(9s, today);
    alike.time(1).of(false).add(8s, today);
    for (int i = 0; i < 50; ++i) {
        CHECK(alike.order(by_speed_of_streams) == "ab");
        CHECK(alike.order(by_speed) == "ba");
    }
}

TEST_CASE("of many two are drawn: the slowest is never first, the quickest not always")
{
    Alike alike{{1, 1, 1}};
    alike.time(0).of(false).add(100ms, today);
    alike.time(1).of(false).add(200ms, today);
    alike.time(2).of(false).add(300ms, today);
    auto first = alike.firsts(by_speed, 6000);
    CHECK(first['c'] == 0);
    CHECK(std::abs(first['a'] - 4000) < 300);  // in two of the three pairs
    CHECK(std::abs(first['b'] - 2000) < 300);
}

TEST_CASE("one of which nothing is known is asked before those that are known")
{
    Alike alike{{1, 1}};
    alike.time(0).of(false).add(1us, today);
    CHECK(alike.order(by_speed) == "ba");
}

TEST_CASE("what was slow is asked again when it has not been asked for long")
{
    Alike alike{{1, 1}};
    alike.time(0).of(false).add(10s, today - 10min);
    alike.time(1).of(false).add(500ms, today);
    CHECK(alike.order(by_speed) == "ab");
}

TEST_CASE("a session keeps its upstream, whatever it is busy with")
{
    Alike alike{{1, 1, 1}};
    const OrderRule rule{UpstreamOrder::least_busy, "session"};
    const auto order = alike.order(rule);
    alike.load(static_cast<std::size_t>(order.front() - 'a'), 50);
    CHECK(alike.order(rule) == order);
}
