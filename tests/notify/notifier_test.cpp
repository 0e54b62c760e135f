#include "notify/notifier.hpp"

#include <atomic>
#include <latch>
#include <set>
#include <stdexcept>

#include "tests/notify/scripted_http.hpp"
#include "tests/notify/wire.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::notify;
using namespace std::chrono_literals;
using route::test::Answer;

namespace {

Record failed_record(std::string model = "gpt-4o")
{
    Record record;
    record.authenticated = true;
    record.request_id = "019c137f-2ee3-7000-8000-000000000001";
    record.created_at = test::notice_time;
    record.ip = "1.2.3.4";
    record.path = "/v1/chat/completions";
    record.model = std::move(model);
    record.status = 502;
    record.outcome = RequestOutcome::upstream_error;
    record.error = "every upstream failed: a: status 500";
    return record;
}

constexpr auto told_at_once =
    "IP: 1.2.3.4 request gpt-4o error 502 with every upstream failed: a: status 500";

auto soon()
{
    return std::chrono::steady_clock::now() + 30s;
}

struct Notifying
{
    explicit Notifying(std::function<std::unique_ptr<Agreement>()> make_agreement = {})
        : notifier{services.services,
                   {"router-1", Retries{1h, 1h, 24h}, wire.hooks(), std::move(make_agreement)}}
    {
    }

    void to_webhook(std::chrono::seconds window) { notifier.configure({test::webhook_at("hook")}, window); }

    std::vector<boost::json::object> documents() const
    {
        std::vector<boost::json::object> all;
        for (const auto& request : wire.asked("hook"))
            all.push_back(test::json_of(request.body).as_object());
        return all;
    }
    std::vector<std::string> texts() const
    {
        std::vector<std::string> all;
        for (const auto& document : documents())
            all.emplace_back(document.at("text").as_string());
        return all;
    }
    /// Failures that all messages together told of.
    std::uint64_t told() const
    {
        std::uint64_t all = 0;
        for (const auto& document : documents())
            all += document.at("count").to_number<std::uint64_t>();
        return all;
    }

    test::NobodysServices services;
    test::Wire wire;
    Notifier notifier;
};

/// Answers nothing, by every means there is.
class BrokenAgreement final : public Agreement
{
  public:
    std::optional<Begun> begin(const std::string&, std::chrono::milliseconds) override
    {
        throw std::runtime_error{"broken"};
    }
    bool add(const std::vector<Counted>&) override { throw std::runtime_error{"broken"}; }
    std::optional<bool> first_to_say(const std::string&, std::chrono::milliseconds) override
    {
        throw std::runtime_error{"broken"};
    }
    std::optional<std::vector<Taken>> take(const std::vector<std::string>&, std::chrono::milliseconds,
                                           bool) override
    {
        return std::nullopt;
    }
};

}  // namespace

TEST_CASE("without channels nothing is made, and nothing is kept")
{
    std::atomic<int> agreements = 0;
    Notifying a{[&] {
        ++agreements;
        return nullptr;
    }};
    a.notifier.configure({}, 60s);
    a.notifier.finished(failed_record());
    a.notifier.recovered({"openai", 75s, 75s});
    a.notifier.stop(soon());
    CHECK(a.wire.made() == 0);
    CHECK(agreements == 0);
}

TEST_CASE("a failed request is told at once, with an id, the router's name and the time")
{
    Notifying a;
    a.to_webhook(60s);
    auto good = failed_record();
    good.status = 200;
    good.outcome = RequestOutcome::ok;
    a.notifier.finished(good);
    a.notifier.finished(failed_record());
    REQUIRE(a.wire.wait_for_results("webhook", "ok", 1));
    const auto document = a.documents().at(0);
    CHECK(document.at("text").as_string() == told_at_once);
    CHECK(document.at("node").as_string() == "router-1");
    CHECK(document.at("id").as_string().size() == 36);
    CHECK(document.at("time").as_string().size() == 24);
    CHECK(document.at("failures").at(0).at("request_id").as_string() == failed_record().request_id);
}

TEST_CASE("equal failures are told when their window ends")
{
    Notifying a;
    a.to_webhook(1s);
    for (int i = 0; i < 4; ++i)
        a.notifier.finished(failed_record());
    REQUIRE(a.wire.wait_for_results("webhook", "ok", 2));
    CHECK(a.texts() ==
          std::vector<std::string>{told_at_once, std::string{told_at_once} + " (3 times within 1 s)"});
}

TEST_CASE("what was counted is told at the end")
{
    Notifying a;
    a.to_webhook(3600s);
    for (int i = 0; i < 3; ++i)
        a.notifier.finished(failed_record());
    a.notifier.stop(soon());
    CHECK(a.texts() ==
          std::vector<std::string>{told_at_once, std::string{told_at_once} + " (2 times within 60 min)"});
    CHECK(a.wire.results("webhook", "ok") == 2);
    a.notifier.finished(failed_record("too late"));
    a.to_webhook(60s);
    CHECK(a.texts().size() == 2);
}

TEST_CASE("an upstream that answers again is told of")
{
    Notifying a;
    a.to_webhook(60s);
    a.notifier.recovered({"a\nb", 59s, 59s});
    a.notifier.recovered({"a\nb", 75s, 75s});
    a.notifier.stop(soon());
    CHECK(a.texts() == std::vector<std::string>{"upstream a\\nb answers again, after 75 s in cooldown"});
}

TEST_CASE("failures on many threads are told of, each of them")
{
    Notifying a;
    a.to_webhook(3600s);
    constexpr int threads = 8;
    constexpr int each = 500;
    {
        std::latch begin{threads};
        std::vector<std::jthread> running;
        for (int number = 0; number < threads; ++number)
            running.emplace_back([&, number] {
                const auto record = failed_record("model-" + std::to_string(number % 4));
                begin.arrive_and_wait();
                for (int i = 0; i < each; ++i)
                    a.notifier.finished(record);
            });
    }
    a.notifier.stop(soon());
    CHECK(a.told() == threads * each);
    CHECK(a.documents().size() <= 5);
}

TEST_CASE("of more events than there is room for only the number is kept")
{
    std::latch let_go{1};
    Notifying a{[&] {
        let_go.wait();
        return nullptr;
    }};
    a.to_webhook(3600s);
    const auto all = Notifier::most_waiting + 234;
    for (std::size_t i = 0; i < all; ++i)
        a.notifier.finished(failed_record());
    a.notifier.recovered({"openai", 75s, 75s});
    let_go.count_down();
    a.notifier.stop(soon());
    REQUIRE(a.documents().size() == 2);
    CHECK(a.texts()[1] ==
          std::string{told_at_once} + " (9999 times within 60 min)\n234 other failed requests within 60 min");
    CHECK(a.told() == all);
}

TEST_CASE("ten kinds are told at once, those beyond at the end of the window")
{
    Notifying a;
    a.to_webhook(3600s);
    for (int i = 0; i < 13; ++i)
        a.notifier.finished(failed_record("model-" + std::to_string(i)));
    a.notifier.stop(soon());
    const auto documents = a.documents();
    REQUIRE(documents.size() == 11);
    for (int i = 0; i < 10; ++i)
        CHECK(documents[i].at("kind").as_string() == "failure");
    CHECK(documents[10].at("kind").as_string() == "failures");
    CHECK(documents[10].at("failures").as_array().size() == 3);
}

TEST_CASE("with windows of no length every failure is a message of its own, but not without bound")
{
    Notifying a;
    a.to_webhook(0s);
    for (int i = 0; i < 3; ++i) {
        a.notifier.finished(failed_record());
        REQUIRE(a.wire.wait_for_results("webhook", "ok", i + 1));
    }
    CHECK(a.texts() == std::vector<std::string>(3, told_at_once));
    for (int i = 0; i < 900; ++i)
        a.notifier.finished(failed_record());
    a.notifier.stop(soon());
    CHECK(a.told() == 903);
    CHECK(a.documents().size() < 50);
}

TEST_CASE("the channels change under way, and what was counted goes to those that are there then")
{
    Notifying a;
    a.to_webhook(3600s);
    a.notifier.finished(failed_record());
    REQUIRE(a.wire.wait_for_results("webhook", "ok", 1));
    a.notifier.finished(failed_record());
    a.notifier.configure({}, 3600s);
    a.notifier.finished(failed_record("unheard"));
    a.notifier.configure({test::webhook_at("other")}, 3600s);
    a.notifier.stop(soon());
    CHECK(a.documents().size() == 1);
    REQUIRE(a.wire.asked("other").size() == 1);
    CHECK(test::json_of(a.wire.asked("other")[0].body).at("count").as_int64() == 1);
    CHECK(a.wire.made() == 1);
}

TEST_CASE("a channel that says nothing does not keep the program from ending")
{
    Notifying a;
    a.wire.script("hook", {{{200, "ok"}, Answer::Kind::never}});
    a.to_webhook(3600s);
    a.notifier.finished(failed_record());
    REQUIRE(a.wire.wait_for_requests("hook", 1));
    a.notifier.finished(failed_record());
    a.notifier.stop(std::chrono::steady_clock::now() + 20ms);
    CHECK(a.wire.results("webhook", "failed") == 2);
}

TEST_CASE("an agreement that throws is none that ends the program")
{
    SECTION("when it is made: this router tells for itself")
    {
        Notifying a{[]() -> std::unique_ptr<Agreement> { throw std::runtime_error{"no database"}; }};
        a.to_webhook(3600s);
        a.notifier.finished(failed_record());
        a.notifier.finished(failed_record());
        a.notifier.stop(soon());
        CHECK(a.texts().size() == 2);
    }
    SECTION("when it is asked: its word counts as none")
    {
        Notifying a{[] { return std::make_unique<BrokenAgreement>(); }};
        a.to_webhook(3600s);
        a.notifier.finished(failed_record());
        a.notifier.finished(failed_record());
        a.notifier.stop(soon());
        CHECK(a.told() == 2);
    }
}

TEST_CASE("ids of messages are different ones")
{
    Notifying a;
    a.to_webhook(3600s);
    for (int i = 0; i < 10; ++i)
        a.notifier.finished(failed_record(std::to_string(i)));
    a.notifier.stop(soon());
    std::set<std::string> ids;
    for (const auto& document : a.documents())
        ids.emplace(document.at("id").as_string());
    CHECK(ids.size() == 10);
}
