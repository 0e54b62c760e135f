#include <string>

#include "tests/net/stage.hpp"

// Which upstream is asked first, where that depends on what the others do.

namespace route::test {

namespace {

Settings ordered_by(UpstreamOrder order)
{
    Settings settings = patient_settings();
    settings.failover.order = order;
    settings.failover.cooldown = Seconds{0};
    return settings;
}

std::string asked_of(Stage& stage, const std::string& request = chat_request())
{
    return stage.ask(request).header("x-route-upstream");
}

}  // namespace

TEST_CASE("while one upstream is busy the other is asked")
{
    const Script answers{step::read_request(), step::hold("busy"),
                         step::send(reply_text(200, json_headers, chat_reply("hello"))), step::again()};
    Stage stage{{answers, answers}, ordered_by(UpstreamOrder::least_busy)};
    const auto one = stage.connect();
    one->send(chat_request());
    stage.run_until([&] { return stage.first().requests().size() + stage.second().requests().size() == 1; });
    const bool first_busy = stage.first().requests().size() == 1;
    auto& idle = first_busy ? stage.second() : stage.first();
    idle.release("busy");
    for (int i = 0; i < 5; ++i)
        CHECK(asked_of(stage) == (first_busy ? "second" : "first"));
    (first_busy ? stage.first() : stage.second()).release("busy");
    stage.run_until([&] { return one->replies().size() == 1; });
}

TEST_CASE("an upstream that fails counts as slow, and a quick one is asked")
{
    Stage stage{{script::reset_after_request(), script::chat_reply("hello")},
                ordered_by(UpstreamOrder::fastest)};
    // Nothing is known of either: which is first is chance, and the one that has not been asked comes next.
    for (int i = 0; i < 2; ++i)
        CHECK(asked_of(stage) == "second");
    const auto asked = stage.first().requests().size();
    CHECK(asked >= 1);
    for (int i = 0; i < 5; ++i)
        CHECK(asked_of(stage) == "second");
    CHECK(stage.first().requests().size() == asked);
}

TEST_CASE("a slow stream is found to be slow also by a client that did not wait for it")
{
    const Script silent{step::read_request(), step::hold("never")};
    Stage stage{{silent, script::chat_reply("hello")}, ordered_by(UpstreamOrder::fastest)};
    const auto mean_of_first = [&] {
        return stage.router().routing().upstreams.at(0)->content_time->of(false).at(
            std::chrono::steady_clock::now());
    };
    // Until it is the first of the two that is asked first.
    while (stage.first().requests().empty()) {
        const auto client = stage.connect();
        client->send(chat_request());
        stage.run_until([&] { return !client->replies().empty() || !stage.first().requests().empty(); });
        if (client->replies().empty())
            client->close();
    }
    stage.run_until([&] { return mean_of_first().has_value(); });
    CHECK(stage.first().requests().size() == 1);
}

}  // namespace route::test
