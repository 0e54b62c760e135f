// The values of `notify.webhook_body` that notify/README.md gives: they are templates, and what they make is
// what the service wants.
#include "notify/webhook.hpp"
#include "tests/notify/scripted_http.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace route::notify;
using namespace std::chrono_literals;

namespace {

struct Recipe
{
    const char* name;
    const char* body;
    const char* text_at;  ///< JSON pointer to the text
};

const Recipe recipes[] = {
    {"Slack",
     R"({"text":"openai-api-route","blocks":[{"type":"section","text":{"type":"plain_text","text":"${text}"}}]})",
     "/blocks/0/text/text"},
    {"DingTalk", R"({"msgtype":"text","text":{"content":"openai-api-route: ${text}"}})", "/text/content"},
    {"WeCom", R"({"msgtype":"text","text":{"content":"${text}"}})", "/text/content"},
    {"ntfy",
     R"({"topic":"my-topic","title":"openai-api-route on ${node}","message":"${text}","tags":["warning"]})",
     "/message"},
    {"Discord", R"({"content":"${text}","allowed_mentions":{"parse":[]}})", "/content"},
    {"Teams",
     R"({"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","content":)"
     R"({"type":"AdaptiveCard","version":"1.4","body":[{"type":"TextBlock","wrap":true,"text":"${text}"}]}}]})",
     "/attachments/0/content/body/0/text"},
    {"Alertmanager",
     R"([{"labels":{"alertname":"OpenaiApiRoute","kind":"${kind}","model":"${subject}","status":"${status}","upstream":"${upstream}"},)"
     R"("annotations":{"summary":"${text}"}}])",
     "/0/annotations/summary"},
};

Message longest_digest()
{
    std::vector<FailureGroup> groups;
    for (int i = 0; i < 300; ++i)
        groups.push_back({test::sample_failure("m\"'\\<!channel>@everyone" + std::to_string(i)), 12'345,
                          test::notice_time});
    return tell_failures(std::move(groups), 1'234'567'890, 60s);
}

}  // namespace

TEST_CASE("the recipes of notify/README.md fit what they are for")
{
    const auto recipe = GENERATE(from_range(std::begin(recipes), std::end(recipes)));
    CAPTURE(recipe.name);
    CHECK(check_template(recipe.body).has_value());
    for (const auto& message :
         {test::sample_message(), longest_digest(), tell_recovery("openai", 75s), tell_test()}) {
        CAPTURE(message.text);
        const auto filled = test::json_of(fill_template(recipe.body, message));
        const std::string text{filled.at_pointer(recipe.text_at).as_string()};
        CHECK(text.find(message.text) != std::string::npos);
        CHECK(message.text.size() <= 2'000);  // Discord; WeCom takes 2048, a section of Slack 3000
    }
}

TEST_CASE("Alertmanager gets an array, whose labels say what failed")
{
    const auto filled = test::json_of(fill_template(std::end(recipes)[-1].body, test::sample_message()));
    CHECK(
        filled.at(0).at("labels") ==
        test::json_of(
            R"({"alertname":"OpenaiApiRoute","kind":"failure","model":"gpt-4o","status":"502","upstream":""})"));
}
