#include "notify/matrix.hpp"

#include "tests/notify/scripted_http.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::notify;
using namespace std::chrono_literals;
using Outcome = Delivery::Result;

namespace {

const HttpReply not_encrypted{404, R"({"errcode":"M_NOT_FOUND","error":"Event not found."})"};
const HttpReply sent{200, R"({"event_id":"$abc"})"};

Matrix room(std::string name = "!ops:example.org")
{
    return {test::web_url("https://matrix.example.org"), std::move(name), "syt_token"};
}

const std::string& path_of(const HttpRequest& request)
{
    return request.url.endpoint.base_path;
}

}  // namespace

TEST_CASE("a message is put into the room under its own transaction id, with HTML beside the plain text")
{
    auto channel = room();
    test::ScriptedHttp http{{not_encrypted, sent}};
    const auto message = test::sample_message();
    CHECK(test::deliver(channel, message, http).result == Outcome::ok);
    REQUIRE(http.asked.size() == 2);
    CHECK(http.asked[0].method == "GET");
    CHECK(path_of(http.asked[0]) == "/_matrix/client/v3/rooms/%21ops%3Aexample.org/state/m.room.encryption");
    const auto& put = http.asked[1];
    CHECK(put.method == "PUT");
    CHECK(path_of(put) == "/_matrix/client/v3/rooms/%21ops%3Aexample.org/send/m.room.message/" + message.id);
    CHECK(put.fields == decltype(put.fields){{"Authorization", "Bearer syt_token"}});
    CHECK(
        test::json_of(put.body) ==
        test::json_of(
            R"({"msgtype":"m.text","format":"org.matrix.custom.html",)"
            R"("body":"IP: 1.2.3.4 request gpt-4o error 502 with every upstream failed: a: HTTP status 500",)"
            R"("formatted_body":"IP: 1.2.3.4 request <code>gpt-4o</code> error <strong>502</strong> with )"
            R"(every upstream failed: a: HTTP status 500","m.mentions":{}})"));
}

TEST_CASE("another try has the same transaction id, another message another one")
{
    auto channel = room();
    test::ScriptedHttp http{{not_encrypted, {502, ""}, not_encrypted, sent, not_encrypted, sent}};
    auto message = test::sample_message();
    CHECK(test::deliver(channel, message, http).result == Outcome::retry);
    CHECK(test::deliver(channel, message, http).result == Outcome::ok);
    message.id = "another";
    test::deliver(channel, message, http);
    CHECK(path_of(http.asked.at(1)) == path_of(http.asked.at(3)));
    CHECK(path_of(http.asked.at(1)) != path_of(http.asked.at(5)));
}

TEST_CASE("a room's alias is looked up, once while it works")
{
    auto channel = room("#ops:example.org");
    test::ScriptedHttp http{{{200, R"({"room_id":"!real:example.org","servers":["example.org"]})"},
                             not_encrypted,
                             sent,
                             not_encrypted,
                             {403, R"({"errcode":"M_FORBIDDEN","error":"You are not in the room"})"},
                             {404, R"({"errcode":"M_NOT_FOUND","error":"Room alias not found."})"}}};
    CHECK(test::deliver(channel, test::sample_message(), http).result == Outcome::ok);
    CHECK(path_of(http.asked.at(0)) == "/_matrix/client/v3/directory/room/%23ops%3Aexample.org");
    CHECK(path_of(http.asked.at(1)).find("%21real%3Aexample.org") != std::string::npos);
    const auto forbidden = test::deliver(channel, test::sample_message(), http);
    CHECK(forbidden.result == Outcome::refused);
    CHECK(forbidden.detail == "HTTP 403: M_FORBIDDEN: You are not in the room");
    const auto lost = test::deliver(channel, test::sample_message(), http);
    CHECK(lost.result == Outcome::refused);
    CHECK(lost.detail.find("alias leads nowhere: HTTP 404: M_NOT_FOUND") != std::string::npos);
}

TEST_CASE("an encrypted room is refused, and said to be unsupported")
{
    auto channel = room();
    test::ScriptedHttp http{{{200, R"({"algorithm":"m.megolm.v1.aes-sha2"})"}}};
    const auto delivery = test::deliver(channel, test::sample_message(), http);
    CHECK(delivery.result == Outcome::refused);
    CHECK(delivery.detail.find("encrypted, which is not supported") != std::string::npos);
    CHECK(http.asked.size() == 1);
}

TEST_CASE("what the homeserver cannot say about encryption stops a message, and why is told")
{
    auto channel = room();
    test::ScriptedHttp http{
        {{401, R"({"errcode":"M_UNKNOWN_TOKEN","error":"Invalid access token"})"}, {503, "busy", "30"}}};
    const auto refused = test::deliver(channel, test::sample_message(), http);
    CHECK(refused.result == Outcome::refused);
    CHECK(refused.detail == "HTTP 401: M_UNKNOWN_TOKEN: Invalid access token");
    const auto later = test::deliver(channel, test::sample_message(), http);
    CHECK(later.result == Outcome::retry);
    CHECK(later.wait == 30s);
}

TEST_CASE("a limited rate says how long to wait")
{
    const auto by_body = judge_matrix(
        {429, R"({"errcode":"M_LIMIT_EXCEEDED","error":"Too Many Requests","retry_after_ms":1503})"},
        test::notice_time);
    CHECK(by_body.result == Outcome::retry);
    CHECK(by_body.wait == 1503ms);
    const auto by_field = judge_matrix({429, R"({"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1503})", "4"},
                                       test::notice_time);
    CHECK(by_field.wait == 4s);
    const auto by_neither = judge_matrix({429, R"({"errcode":"M_LIMIT_EXCEEDED"})"}, test::notice_time);
    CHECK(by_neither.result == Outcome::retry);
    CHECK_FALSE(by_neither.wait);
    const auto hostile =
        judge_matrix({429, R"({"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1e99})"}, test::notice_time);
    CHECK(hostile.result == Outcome::retry);
    CHECK_FALSE(hostile.wait);
}

TEST_CASE("a reply without event_id is not a homeserver's")
{
    CHECK(judge_matrix({200, "<html>"}, test::notice_time).result == Outcome::refused);
    CHECK(judge_matrix({200, "{}"}, test::notice_time).result == Outcome::refused);
}

TEST_CASE("nothing from outside is markup")
{
    auto failure = test::sample_failure("<b>&\"gpt\"</b>", 502, "<img src=x>\n");
    const auto html = matrix_html(tell_failure(failure));
    CHECK(html.find("<b>") == std::string::npos);
    CHECK(html.find("<img") == std::string::npos);
    CHECK(html.find("<code>&lt;b&gt;&amp;&quot;gpt&quot;&lt;/b&gt;</code>") != std::string::npos);
    auto recovery = tell_recovery("<i>", 75s);
    CHECK(matrix_html(recovery) == "upstream &lt;i&gt; answers again, after 75 s in cooldown");
}

TEST_CASE("a digest in HTML has a line for each kind")
{
    const FailureGroup group{test::sample_failure("a", 502, "x"), 3, test::notice_time};
    CHECK(matrix_html(tell_failures({group, group}, 4, 60s)) ==
          "IP: 1.2.3.4 request <code>a</code> error <strong>502</strong> with x (<strong>3</strong> times "
          "within 60 s)<br>"
          "IP: 1.2.3.4 request <code>a</code> error <strong>502</strong> with x (<strong>3</strong> times "
          "within 60 s)<br>"
          "4 other failed requests within 60 s");
}

TEST_CASE("rooms are ids or aliases")
{
    CHECK(valid_matrix_room("!abc:example.org"));
    CHECK(valid_matrix_room("!abcdef"));  // room version 12 has ids without a server
    CHECK(valid_matrix_room("#ops:example.org"));
    CHECK_FALSE(valid_matrix_room("#ops"));
    CHECK_FALSE(valid_matrix_room("ops"));
    CHECK_FALSE(valid_matrix_room("@user:example.org"));
    CHECK_FALSE(valid_matrix_room("!a b:example.org"));
    CHECK_FALSE(valid_matrix_room(""));
}

TEST_CASE("MATRIX_API of v0.3.0 takes its own message, with msgtype beside")
{
    MatrixApi channel{test::web_url("http://bot.example/send?room=1")};
    test::ScriptedHttp http{{{200, "ok"}}};
    CHECK(test::deliver(channel, test::sample_message(), http).result == Outcome::ok);
    CHECK(http.asked[0].method == "POST");
    CHECK(http.asked[0].url.query == "?room=1");
    CHECK(
        test::json_of(http.asked[0].body) ==
        test::json_of(
            R"({"message":"m.text","msgtype":"m.text",)"
            R"("body":"IP: 1.2.3.4 request gpt-4o error 502 with every upstream failed: a: HTTP status 500"})"));
}
