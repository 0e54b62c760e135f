#include "notify/announcer.hpp"

#include <algorithm>
#include <map>

#include "tests/notify/scripted_http.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::notify;
using namespace std::chrono_literals;
using route::test::sample_failure;

namespace {

const Announcer::TimePoint outset{100h};

/// What the routers of a test share, as the database does.
struct Shared
{
    struct Window
    {
        Announcer::TimePoint end;
        std::uint64_t count = 0;
    };
    std::map<std::string, Window> windows = {};
    std::map<std::string, Announcer::TimePoint> said = {};
    Announcer::TimePoint now = outset;
    bool away = false;
    int asked = 0;
};

class SharedAgreement final : public Agreement
{
  public:
    explicit SharedAgreement(Shared& shared) : shared_{shared} {}

    std::optional<Begun> begin(const std::string& key, std::chrono::milliseconds window) override
    {
        ++shared_.asked;
        if (shared_.away)
            return std::nullopt;
        const auto [found, made] = shared_.windows.try_emplace(key, Shared::Window{shared_.now + window});
        return Begun{made,
                     std::chrono::duration_cast<std::chrono::milliseconds>(found->second.end - shared_.now)};
    }

    bool add(const std::vector<Counted>& counted) override
    {
        ++shared_.asked;
        if (!shared_.away)
            for (const auto& [key, count] : counted)
                shared_.windows.try_emplace(key, Shared::Window{shared_.now}).first->second.count += count;
        return !shared_.away;
    }

    std::optional<bool> first_to_say(const std::string& key, std::chrono::milliseconds since) override
    {
        ++shared_.asked;
        if (shared_.away)
            return std::nullopt;
        const auto [found, made] = shared_.said.try_emplace(key, shared_.now);
        const bool first = made || found->second < shared_.now - since;
        if (first)
            found->second = shared_.now;
        return first;
    }

    std::optional<std::vector<Taken>> take(const std::vector<std::string>& keys,
                                           std::chrono::milliseconds window, bool early) override
    {
        ++shared_.asked;
        if (shared_.away)
            return std::nullopt;
        std::vector<Taken> taken;
        for (const auto& key : keys)
            taken.push_back(take_one(key, window, early));
        return taken;
    }

  private:
    Taken take_one(const std::string& key, std::chrono::milliseconds window, bool early)
    {
        const auto found = shared_.windows.find(key);
        if (found == shared_.windows.end())
            return Taken{};
        auto& [end, count] = found->second;
        Taken taken;
        if (early || end <= shared_.now) {
            taken.count = std::exchange(count, 0);
            if (taken.count == 0) {
                shared_.windows.erase(found);
                return taken;
            }
            end = shared_.now + window;
        }
        taken.left = std::chrono::duration_cast<std::chrono::milliseconds>(end - shared_.now);
        return taken;
    }

    Shared& shared_;
};

/// An announcer and what it said.
struct Router
{
    explicit Router(std::unique_ptr<Agreement> agreement = nullptr)
        : announcer{60s, [this](Message message) { said.push_back(message.text); }, std::move(agreement)}
    {
    }
    std::vector<std::string> said;
    Announcer announcer;
};

constexpr auto first_text =
    "IP: 1.2.3.4 request gpt-4o error 502 with every upstream failed: a: HTTP status 500";

std::string counted(int times)
{
    return std::string{first_text} + " (" + std::to_string(times) + (times == 1 ? " time" : " times") +
           " within 60 s)";
}

}  // namespace

TEST_CASE("the first failure is told at once, equal ones at the end of each window")
{
    Router router;
    router.announcer.failed(sample_failure(), outset);
    CHECK(router.said == std::vector<std::string>{first_text});
    router.announcer.failed(sample_failure(), outset + 1s);
    router.announcer.failed(sample_failure(), outset + 59s);
    CHECK(router.said.size() == 1);
    CHECK(router.announcer.next() == outset + 60s);
    router.announcer.tick(outset + 60s);
    REQUIRE(router.said.size() == 2);
    CHECK(router.said[1] == counted(2));
    router.announcer.failed(sample_failure(), outset + 61s);
    CHECK(router.said.size() == 2);
    router.announcer.tick(outset + 120s);
    REQUIRE(router.said.size() == 3);
    CHECK(router.said[2] == counted(1));
    router.announcer.tick(outset + 180s);
    CHECK(router.said.size() == 3);
    CHECK(router.announcer.next() == Announcer::TimePoint::max());
    router.announcer.failed(sample_failure(), outset + 181s);
    CHECK(router.said.back() == first_text);
}

TEST_CASE("windows that end together are told in one message")
{
    Router router;
    for (const char* model : {"a", "b"}) {
        router.announcer.failed(sample_failure(model), outset);
        router.announcer.failed(sample_failure(model), outset);
    }
    router.announcer.tick(outset + 60s);
    REQUIRE(router.said.size() == 3);
    CHECK(router.said[2].find("request a ") < router.said[2].find("request b "));
}

TEST_CASE("a flood of kinds is a handful of messages")
{
    Router router;
    for (int i = 0; i < 5'000; ++i)
        router.announcer.failed(sample_failure("model-" + std::to_string(i)), outset + 1ms * i);
    router.announcer.lost(7, outset + 5s);
    router.announcer.tick(outset + 66s);
    CHECK(router.said.size() == FailureWindows::most_at_once + 1);
    CHECK(router.said.back().find("other failed requests") != std::string::npos);
}

TEST_CASE("what was counted is told when the program ends")
{
    Router router;
    router.announcer.failed(sample_failure(), outset);
    router.announcer.failed(sample_failure(), outset + 1s);
    router.announcer.finish(outset + 2s);
    REQUIRE(router.said.size() == 2);
    CHECK(router.said[1] == counted(1));
}

TEST_CASE("an upstream that was away for long is told of when it answers again")
{
    Router router;
    router.announcer.recovered({"openai", 59s, 59s});
    CHECK(router.said.empty());
    router.announcer.recovered({"openai", 75s, 75s});
    CHECK(router.said == std::vector<std::string>{"upstream openai answers again, after 75 s in cooldown"});
}

TEST_CASE("of several routers one tells, with what all of them counted")
{
    Shared shared;
    Router a{std::make_unique<SharedAgreement>(shared)};
    Router b{std::make_unique<SharedAgreement>(shared)};
    a.announcer.failed(sample_failure(), outset);
    shared.now = outset + 10s;
    b.announcer.failed(sample_failure(), outset + 10s);
    b.announcer.failed(sample_failure(), outset + 11s);
    a.announcer.failed(sample_failure(), outset + 12s);
    CHECK(a.said.size() == 1);
    CHECK(b.said.empty());
    CHECK(b.announcer.next() == outset + 60s);

    shared.now = outset + 60s;
    a.announcer.tick(shared.now);
    b.announcer.tick(shared.now);
    CHECK(a.said.size() + b.said.size() == 1);
    CHECK(a.announcer.next() == outset + 62s);
    shared.now = outset + 62s;
    b.announcer.tick(shared.now);
    a.announcer.tick(shared.now);
    CHECK(a.said.size() == 1);
    CHECK(b.said == std::vector<std::string>{counted(3)});

    SECTION("and the next window is one of all, too")
    {
        CHECK(a.announcer.next() == outset + 122s);
        CHECK(b.announcer.next() == outset + 122s);
        a.announcer.failed(sample_failure(), outset + 70s);
        for (const auto when : {122s, 124s}) {
            shared.now = outset + when;
            a.announcer.tick(shared.now);
            b.announcer.tick(shared.now);
        }
        CHECK(a.said.back() == counted(1));
        CHECK(b.said.size() == 1);
    }
    SECTION("and a quiet window is the last")
    {
        for (const auto when : {122s, 124s}) {
            shared.now = outset + when;
            a.announcer.tick(shared.now);
            b.announcer.tick(shared.now);
        }
        CHECK(shared.windows.empty());
        CHECK(a.announcer.next() == Announcer::TimePoint::max());
        CHECK(a.said.size() + b.said.size() == 2);
    }
}

TEST_CASE("a router that ends tells what all have counted so far")
{
    Shared shared;
    Router a{std::make_unique<SharedAgreement>(shared)};
    Router b{std::make_unique<SharedAgreement>(shared)};
    a.announcer.failed(sample_failure(), outset);
    b.announcer.failed(sample_failure(), outset);
    b.announcer.finish(outset + 1s);
    CHECK(b.said == std::vector<std::string>{counted(1)});
}

TEST_CASE("an upstream's recovery is told by one router")
{
    Shared shared;
    Router a{std::make_unique<SharedAgreement>(shared)};
    Router b{std::make_unique<SharedAgreement>(shared)};
    a.announcer.recovered({"openai", 75s, 75s});
    b.announcer.recovered({"openai", 80s, 80s});
    CHECK(a.said.size() == 1);
    CHECK(b.said.empty());
    SECTION("however late the other one asks it again")
    {
        shared.now += 8h;
        b.announcer.recovered({"openai", 90s, 8h + 80s});
        CHECK(b.said.empty());
    }
    SECTION("and so is the next, however soon")
    {
        shared.now += 61s;
        b.announcer.recovered({"openai", 60s, 60s});
        CHECK(b.said.size() == 1);
        a.announcer.recovered({"openai", 62s, 62s});
        CHECK(a.said.size() == 1);
    }
}

TEST_CASE("while the others cannot be reached, a router tells for itself")
{
    Shared shared;
    shared.away = true;
    Router router{std::make_unique<SharedAgreement>(shared)};
    router.announcer.failed(sample_failure(), outset);
    router.announcer.failed(sample_failure(), outset + 1s);
    router.announcer.tick(outset + 60s);
    CHECK(router.said == std::vector<std::string>{first_text, counted(1)});
    router.announcer.recovered({"openai", 75s, 75s});
    CHECK(router.said.size() == 3);
}

TEST_CASE("what was given to others that are away by then is told all the same")
{
    Shared shared;
    Router router{std::make_unique<SharedAgreement>(shared)};
    for (int i = 0; i < 3; ++i)
        router.announcer.failed(sample_failure(), outset);
    router.announcer.tick(outset + 60s);
    CHECK(router.said.size() == 1);
    shared.away = true;
    SECTION("at the end of the window")
    {
        router.announcer.tick(outset + 63s);
    }
    SECTION("at the end of the program, when it is late")
    {
        router.announcer.ask_unless([] { return true; });
        router.announcer.finish(outset + 61s);
    }
    CHECK(router.said == std::vector<std::string>{first_text, counted(2)});
}

TEST_CASE("at the end the others are not asked for longer than there is time")
{
    Shared shared;
    Router router{std::make_unique<SharedAgreement>(shared)};
    for (int i = 0; i < 5; ++i)
        for (int twice = 0; twice < 2; ++twice)
            router.announcer.failed(sample_failure(std::to_string(i)), outset);
    shared.asked = 0;
    router.announcer.ask_unless([&] { return shared.asked >= 1; });
    router.announcer.finish(outset + 1s);
    CHECK(shared.asked == 1);
    CHECK(router.said.size() == 6);
    CHECK(std::count(router.said.back().begin(), router.said.back().end(), '\n') == 4);
}

TEST_CASE("windows of no length are a router's own, and a flood within a second is one message")
{
    Shared shared;
    Router router{std::make_unique<SharedAgreement>(shared)};
    router.announcer.set_window(0s);
    for (int i = 0; i < 1'000; ++i) {
        router.announcer.failed(sample_failure(), outset + 1us * i);
        router.announcer.tick(outset + 1us * i);
    }
    CHECK(router.said == std::vector<std::string>(FailureWindows::most_at_once, first_text));
    CHECK(router.announcer.next() == outset + 1s);
    router.announcer.tick(outset + 1s);
    CHECK(router.said.back() == std::string{first_text} + " (990 times within 1 s)");
    CHECK(shared.asked == 0);
    router.announcer.failed(sample_failure(), outset + 2s);
    CHECK(router.said.back() == first_text);
}

TEST_CASE("what there was no room for is told once a window, however often there is none")
{
    Router router;
    for (int i = 0; i < 59; ++i) {
        router.announcer.lost(10, outset + 1s * i);
        router.announcer.tick(outset + 1s * i);
    }
    CHECK(router.said.empty());
    router.announcer.tick(outset + 60s);
    CHECK(router.said == std::vector<std::string>{"590 other failed requests within 60 s"});
    CHECK(router.announcer.next() == Announcer::TimePoint::max());
}
