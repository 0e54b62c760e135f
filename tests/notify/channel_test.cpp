#include "notify/channel.hpp"

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
    const auto quoted = GENERATE(
        as<std::string>{}, "/services/T0000SECRET/B111SECRET?token=S3CRETsecret&x=1",
        "/services/T0000SECRET/B111SECRET", "T0000SECRET", "token S3CRETsecret!", "user:pa55word!",
        "pa55word!", "Basic dXNlcjpwYTU1d29yZCE=", "R0UTINGSECRETKEY", "\\/T0000SECRET\\/B111SECRET");
    CAPTURE(quoted);
    HttpRequest request{
        "POST",
        test::web_url(
            "https://user:pa55word!@hooks.example/services/T0000SECRET/B111SECRET?token=S3CRETsecret&x=1")};
    request.secrets = {"R0UTINGSECRETKEY"};
    HttpReply reply{500, "no such thing: " + quoted, "", "in " + quoted};
    hide_secrets(reply, request);
    for (const auto& text : {reply.body, reply.error}) {
        CHECK(text.find("SECRET") == std::string::npos);
        CHECK(text.find("S3CRET") == std::string::npos);
        CHECK(text.find("pa55word") == std::string::npos);
        CHECK(text.find("dXNlcjpw") == std::string::npos);
        CHECK(text.find("…") != std::string::npos);
    }
    CHECK(reply.body.find("no such thing: ") == 0);
}

TEST_CASE("of a homeserver's URL only the token is secret")
{
    HttpRequest request{"GET",
                        below(test::web_url("https://m.example"), "/_matrix/client/v3/rooms/%21operators")};
    request.fields = {{"Authorization", "Bearer syt_S3CRET_TOKEN"}};
    HttpReply reply{401,
                    R"({"errcode":"M_UNKNOWN_TOKEN","error":"no syt_S3CRET_TOKEN at /_matrix/client/v3"})"};
    hide_secrets(reply, request);
    CHECK(reply.body == R"({"errcode":"M_UNKNOWN_TOKEN","error":"no … at /_matrix/client/v3"})");
}
