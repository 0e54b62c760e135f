#include "notify/feishu.hpp"

#include "tests/notify/scripted_http.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::notify;
using Outcome = Delivery::Result;

namespace {
constexpr auto hook = "https://open.feishu.cn/open-apis/bot/v2/hook/0000-1111";
const HttpReply accepted{200,
                         R"({"StatusCode":0,"StatusMessage":"success","code":0,"data":{},"msg":"success"})"};
}  // namespace

TEST_CASE("a bot is sent a text message")
{
    Feishu bot{test::web_url(hook), ""};
    test::ScriptedHttp http{{accepted}};
    CHECK(test::deliver(bot, test::sample_message(), http).result == Outcome::ok);
    REQUIRE(http.asked.size() == 1);
    CHECK(http.asked[0].method == "POST");
    CHECK(http.asked[0].url.endpoint.base_path == "/open-apis/bot/v2/hook/0000-1111");
    CHECK(test::json_of(http.asked[0].body) ==
          test::json_of(R"({"msg_type":"text","content":{"text":"IP: 1.2.3.4 request gpt-4o error 502 with )"
                        R"(every upstream failed: a: HTTP status 500"}})"));
}

TEST_CASE("with a secret, a message is signed by the second")
{
    // Made with Python: base64(hmac(key="1769860800\nthe-secret", msg="", sha256))
    constexpr auto expected = "kQEwhnnW+iyaDa5XbcJ55qWjCIZDLPNwKO/st4Uh/8M=";
    CHECK(feishu_signature(1769860800, "the-secret") == expected);
    Feishu bot{test::web_url(hook), "the-secret"};
    test::ScriptedHttp http{{accepted}};
    test::deliver(bot, test::sample_message(), http);
    const auto body = test::json_of(http.asked.at(0).body).as_object();
    CHECK(body.at("timestamp").as_string() == "1769860800");
    CHECK(body.at("sign").as_string() == expected);
}

TEST_CASE("nobody is called by what a client sent")
{
    auto message = test::sample_message();
    message.text = R"(request <at user_id="all"></at> error)";
    Feishu bot{test::web_url(hook), ""};
    test::ScriptedHttp http{{accepted}};
    test::deliver(bot, message, http);
    CHECK(http.asked.at(0).body.find('<') == std::string::npos);
    CHECK(http.asked.at(0).body.find("‹at user_id=") != std::string::npos);
}

TEST_CASE("a bot's code, not the status alone, says whether it took a message")
{
    struct Row
    {
        HttpReply reply;
        Outcome result;
        std::string detail;
    };
    const auto row = GENERATE(values<Row>({
        {accepted, Outcome::ok, ""},
        {{200, R"({"StatusCode":0,"StatusMessage":"success"})"}, Outcome::ok, ""},
        {{200,
          R"({"code":19021,"msg":"sign match fail or timestamp is not within one hour from current time"})"},
         Outcome::refused,
         "code 19021: sign match fail"},
        {{200, R"({"code":9499,"msg":"Bad Request","data":{}})"}, Outcome::refused, "code 9499: Bad Request"},
        {{400, R"({"code":19001,"msg":"param invalid: incoming webhook access token invalid"})"},
         Outcome::refused,
         "code 19001"},
        {{200, R"({"code":11232,"msg":"frequency limited psm"})"}, Outcome::retry, "code 11232"},
        {{429, R"({"code":99991400,"msg":"request trigger frequency limit"})"},
         Outcome::retry,
         "code 99991400"},
        {{200, "<html>welcome</html>"}, Outcome::refused, "not that of a bot: <html>"},
        {{200, ""}, Outcome::refused, "not that of a bot"},
        {{502, "bad gateway"}, Outcome::retry, "HTTP 502 Bad Gateway: bad gateway"},
        {{404, ""}, Outcome::refused, "HTTP 404 Not Found"},
        {{0, "", "", "connection refused"}, Outcome::retry, "connection refused"},
    }));
    const auto delivery = judge_feishu(row.reply, test::notice_time);
    CAPTURE(row.reply.status, row.reply.body, delivery.detail);
    CHECK(delivery.result == row.result);
    CHECK(delivery.detail.find(row.detail) != std::string::npos);
}

TEST_CASE("a bot's 429 says how long to wait")
{
    const auto delivery = judge_feishu({429, R"({"code":99991400,"msg":"limit"})", "7"}, test::notice_time);
    CHECK(delivery.result == Outcome::retry);
    CHECK(delivery.wait == std::chrono::seconds{7});
}
