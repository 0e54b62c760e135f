#include <set>
#include <string>
#include <vector>

#include "tests/net/stage.hpp"

// Requests of one session go to one upstream, and to the same next one while that fails.

namespace route::test {

namespace {

Settings sticky()
{
    Settings settings = patient_settings();
    settings.failover.order = UpstreamOrder::random;
    settings.failover.sticky = {"prompt_cache_key", "header:session_id"};
    settings.failover.cooldown = Seconds{0};
    return settings;
}

std::string of_session(const std::string& session, bool by_header)
{
    const std::string field = by_header ? "Session_Id: " + session + "\r\n" : "";
    const std::string member = by_header ? "" : R"(,"prompt_cache_key":")" + session + "\"";
    return request_text("POST", "/v1/chat/completions",
                        bearer() + "Content-Type: application/json\r\n" + field,
                        R"({"model":"gpt-4o")" + member + "}");
}

}  // namespace

TEST_CASE("requests of one session go to one upstream, wherever they say which it is")
{
    const auto answer = script::chat_reply("hello");
    Stage stage{{answer, answer, answer}, sticky()};
    std::set<std::string> used;
    for (int number = 0; number < 20; ++number) {
        const auto session = "session-" + std::to_string(number);
        const auto first = stage.ask(of_session(session, false)).header("x-route-upstream");
        CHECK(stage.ask(of_session(session, true)).header("x-route-upstream") == first);
        CHECK(stage.ask(of_session(session, false)).header("x-route-upstream") == first);
        used.insert(first);
    }
    CHECK(used.size() == 3);
}

TEST_CASE("a session whose upstream fails goes to the same next one")
{
    const auto answer = script::chat_reply("hello");
    Stage stage{{script::reset_after_request(), answer, answer}, sticky()};
    std::set<std::string> used;
    for (int number = 0; number < 20; ++number) {
        const auto session = "session-" + std::to_string(number);
        const auto first = stage.ask(of_session(session, false)).header("x-route-upstream");
        CHECK(stage.ask(of_session(session, true)).header("x-route-upstream") == first);
        used.insert(first);
    }
    CHECK(used == std::set<std::string>{"second", "third"});
}

}  // namespace route::test
