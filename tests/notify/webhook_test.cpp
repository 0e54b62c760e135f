#include "notify/webhook.hpp"

#include "tests/notify/scripted_http.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::notify;
using namespace std::chrono_literals;
using Outcome = Delivery::Result;

TEST_CASE("the document says all that is known of a failure")
{
    auto message = test::sample_message();
    CHECK(test::json_of(webhook_document(message)) == test::json_of(R"({
        "version": 1, "kind": "failure", "id": "019c137f-2ee3-7000-8000-0000000000aa",
        "time": "2026-01-31T12:00:00.000Z", "node": "router-1", "count": 1,
        "text": "IP: 1.2.3.4 request gpt-4o error 502 with every upstream failed: a: HTTP status 500",
        "failures": [{"count": 1, "ip": "1.2.3.4", "subject": "gpt-4o", "status": 502,
            "reason": "every upstream failed: a: HTTP status 500",
            "request_id": "019c137f-2ee3-7000-8000-000000000001", "upstream": "",
            "first": "2026-01-31T12:00:00.000Z", "last": "2026-01-31T12:00:00.000Z"}]})"));
}

TEST_CASE("the document of a recovery names the upstream")
{
    const auto document = test::json_of(webhook_document(tell_recovery("openai", 75s))).as_object();
    CHECK(document.at("kind").as_string() == "recovery");
    CHECK(document.at("failures").as_array().empty());
    CHECK(document.at("recovery") == test::json_of(R"({"upstream":"openai","seconds":75})"));
}

TEST_CASE("the count is that of all failures a message tells of")
{
    const FailureGroup group{test::sample_failure(), 12, test::notice_time};
    CHECK(test::json_of(webhook_document(tell_failures({group, group}, 3, 60s))).at("count").as_int64() ==
          27);
}

TEST_CASE("a template is filled so that it stays JSON")
{
    auto message = test::sample_message();
    message.text = "line \"one\"\nline\\two ${status}";
    const auto filled = fill_template(
        R"({"msgtype":"text","text":{"content":"${text}"},"n":"${count}","s":"${status} ${subject}","k":"${kind}"})",
        message);
    const auto object = test::json_of(filled);
    CHECK(object.at("text").at("content").as_string() == message.text.c_str());
    CHECK(object.at("n").as_string() == "1");
    CHECK(object.at("s").as_string() == "502 gpt-4o");
    CHECK(object.at("k").as_string() == "failure");
}

TEST_CASE("what a message has not is empty in a template")
{
    CHECK(fill_template(R"("[${subject}${status}${reason}${upstream}]")", tell_test()) == R"("[]")");
    CHECK(fill_template(R"("${upstream}")", tell_recovery("a", 75s)) == R"("a")");
}

TEST_CASE("strings of a template that nothing is filled into may be keys")
{
    CHECK(template_secrets(
              R"({"routing_key":"R0UTING","payload":{"summary":"${text}","tags":["a","${kind}"]}})") ==
          std::vector<std::string>{"R0UTING", "a"});
    CHECK(template_secrets("").empty());
}

TEST_CASE("a template that cannot be JSON is refused")
{
    CHECK(check_template(R"({"text":"${text}"})").has_value());
    CHECK(
        check_template(R"([{"labels":{"alertname":"x"},"annotations":{"summary":"${text}"}}])").has_value());
    const auto refused =
        GENERATE(as<std::string>{}, "${text}", "{\"a\":\"${text\"}", "{\"a\":\"${txt}\"}", R"({"a":"${}"})",
                 R"({"a":"${txt}${text}"})", R"({"a":${status}})", "{", " ");
    CAPTURE(refused);
    CHECK_FALSE(check_template(refused).has_value());
}

TEST_CASE("a webhook is posted to, its template filled")
{
    Webhook plain{test::web_url("https://hooks.example/x?y=z"), ""};
    Webhook filled{test::web_url("https://hooks.example/"), R"({"text":"${text}"})"};
    test::ScriptedHttp http{{{204, ""}, {200, "ok"}}};
    const auto message = test::sample_message();
    CHECK(test::deliver(plain, message, http).result == Outcome::ok);
    CHECK(test::deliver(filled, message, http).result == Outcome::ok);
    CHECK(http.asked[0].method == "POST");
    CHECK(http.asked[0].url.query == "?y=z");
    CHECK(http.asked[0].body == webhook_document(message));
    CHECK(test::json_of(http.asked[1].body).at("text").as_string() == message.text.c_str());
}

TEST_CASE("a webhook's reply: the status, and errcode where there is one")
{
    struct Row
    {
        HttpReply reply;
        Outcome result;
        std::string detail;
    };
    const auto row = GENERATE(values<Row>({
        {{200, "ok"}, Outcome::ok, ""},
        {{202, ""}, Outcome::ok, ""},
        {{200, R"({"errcode":0,"errmsg":"ok"})"}, Outcome::ok, ""},
        {{200, R"({"errcode":310000,"errmsg":"keywords not in content"})"},
         Outcome::refused,
         "errcode 310000: keywords not in content"},
        {{200, R"({"errcode":130101,"errmsg":"send too fast"})"}, Outcome::retry, "errcode 130101"},
        {{200, R"({"errcode":45009,"errmsg":"api freq out of limit"})"}, Outcome::retry, "errcode 45009"},
        {{301, ""}, Outcome::refused, "HTTP 301"},
        {{400, "invalid_payload"}, Outcome::refused, "invalid_payload"},
        {{408, ""}, Outcome::retry, "HTTP 408"},
        {{429, "slow down", "3"}, Outcome::retry, "HTTP 429"},
        {{500, ""}, Outcome::retry, "HTTP 500"},
        {{0, "", "", "timed out"}, Outcome::retry, "timed out"},
    }));
    const auto delivery = judge_webhook(row.reply, test::notice_time);
    CAPTURE(row.reply.status, row.reply.body, delivery.detail);
    CHECK(delivery.result == row.result);
    CHECK(delivery.detail.find(row.detail) != std::string::npos);
}
