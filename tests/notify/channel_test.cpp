#include "notify/channel.hpp"

#include "notify/feishu.hpp"
#include "notify/matrix.hpp"
#include "notify/webhook.hpp"
#include "tests/notify/scripted_http.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::notify;
using namespace std::chrono_literals;
using Outcome = Delivery::Result;

TEST_CASE("a status alone says whether another try is worth it, and when")
{
    CHECK(judge_status({204, ""}, test::notice_time).result == Outcome::ok);
    const auto later = judge_status({503, " busy\n", "90"}, test::notice_time);
    CHECK(later.result == Outcome::retry);
    CHECK(later.wait == 90s);
    CHECK(later.detail == "HTTP 503 Service Unavailable: busy");
    CHECK_FALSE(judge_status({400, "", "90"}, test::notice_time).wait);
    CHECK(judge_status({599, ""}, test::notice_time).detail.substr(0, 8) == "HTTP 599");
    const auto dated = judge_status({429, "", "Sat, 31 Jan 2026 12:00:30 GMT"}, test::notice_time);
    CHECK(dated.wait == 30s);
}

TEST_CASE("what a server quotes of a secret is not repeated")
{
    const auto url =
        "https://user:pa55word!@hooks.example/services/T0000SECRET/B111SECRET?token=S3CRETsecret&x=1";
    const auto quoted = GENERATE(as<std::string>{}, "/services/T0000SECRET/B111SECRET?token=S3CRETsecret&x=1",
                                 "/services/T0000SECRET/B111SECRET", "T0000SECRET", "token S3CRETsecret!",
                                 "user:pa55word!", "pa55word!", "\\/T0000SECRET\\/B111SECRET");
    CAPTURE(quoted);
    test::ScriptedHttp http{{{500, "no such thing: " + quoted}, {0, "", "", "in " + quoted}}};
    Webhook channel{test::web_url(url), ""};
    for (int i = 0; i < 2; ++i) {
        const auto delivery = test::deliver(channel, test::sample_message(), http);
        CHECK(delivery.detail.find("SECRET") == std::string::npos);
        CHECK(delivery.detail.find("S3CRET") == std::string::npos);
        CHECK(delivery.detail.find("pa55word") == std::string::npos);
        CHECK(delivery.detail.find("…") != std::string::npos);
    }
}

TEST_CASE("neither a homeserver nor a bot makes a token known")
{
    Matrix room{test::web_url("https://m.example"), "!ops:m.example", "syt_S3CRET_TOKEN"};
    test::ScriptedHttp homeserver{
        {{401, R"({"errcode":"M_UNKNOWN_TOKEN","error":"no syt_S3CRET_TOKEN here"})"}}};
    CHECK(test::deliver(room, test::sample_message(), homeserver).detail ==
          "HTTP 401: M_UNKNOWN_TOKEN: no … here");
    Feishu bot{test::web_url("https://open.feishu.cn/open-apis/bot/v2/hook/0000-S3CRET-1111"),
               "signing-secret"};
    test::ScriptedHttp feishu{{{200, R"({"code":19001,"msg":"no hook 0000-S3CRET-1111"})"}}};
    CHECK(test::deliver(bot, test::sample_message(), feishu).detail == "code 19001: no hook …");
    CHECK(feishu.asked[0].body.find("signing-secret") == std::string::npos);
}
