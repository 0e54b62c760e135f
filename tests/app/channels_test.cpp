#include "app/channels.hpp"

#include "tests/app/config/config_support.hpp"
#include "tests/app/temporary_directory.hpp"

namespace route::tests {
namespace {

/// Without what the environment of the tests may name.
struct NoChannels
{
    Variable feishu{"FEISHU_WEBHOOK", ""};
    Variable matrix{"MATRIX_API", ""};
};

std::string channel_names(const std::string& notify)
{
    const auto channels = make_channels(settings_of("[notify]\n" + notify).notify);
    if (!channels)
        FAIL(describe(channels.error()));
    std::string names;
    for (const auto& channel : *channels)
        names += (names.empty() ? "" : " ") + std::string{channel->name()};
    return names;
}

TEST_CASE("channels are those that are configured")
{
    const NoChannels none;
    CHECK(channel_names("").empty());
    CHECK(channel_names("window = 5").empty());
    CHECK(channel_names("feishu_webhook = \"https://open.feishu.cn/h\"") == "feishu");
    CHECK(channel_names("webhook = \"http://127.0.0.1/x?y=z\"") == "webhook");
    CHECK(channel_names(R"(
feishu_webhook = "https://open.feishu.cn/h"
feishu_secret = "s"
matrix_homeserver = "https://matrix.org"
matrix_room = "#ops:matrix.org"
matrix_token = "t"
webhook = "https://user:password@ntfy.sh/topic"
webhook_body = '''
{"text": "${text}",
 "count": "${count}"}'''
)") == "feishu matrix webhook");
}

TEST_CASE("FEISHU_WEBHOOK and MATRIX_API of the environment are channels, too")
{
    const Variable feishu{"FEISHU_WEBHOOK", "https://open.feishu.cn/h"};
    const Variable matrix{"MATRIX_API", "http://127.0.0.1:8008/send"};
    CHECK(channel_names("") == "feishu matrix_api");
    CHECK(channel_names("feishu_secret = \"s\"") == "feishu matrix_api");
}

TEST_CASE("a configured webhook of Feishu wins over that of the environment")
{
    const NoChannels none;
    const Variable feishu{"FEISHU_WEBHOOK", "not a URL"};
    CHECK(channel_names("feishu_webhook = \"https://open.feishu.cn/h\"") == "feishu");
}

TEST_CASE("secrets of channels may be references")
{
    const NoChannels none;
    const Variable url{"CHANNEL_URL", "https://hooks.example.com/services/T0/B0"};
    CHECK(channel_names("webhook = \"env:CHANNEL_URL\"") == "webhook");
}

TEST_CASE("a channel that cannot be used is refused with its key, and without its value")
{
    struct Row
    {
        const char* notify;
        const char* key;
        const char* problem;
    };
    const NoChannels none;
    const Row row = GENERATE(values<Row>({
        {R"(feishu_webhook = "open.feishu.cn/HIDDEN")", "notify.feishu_webhook", "expected a URL"},
        {R"(feishu_webhook = "https://h/HIDDEN#f")", "notify.feishu_webhook", "fragment"},
        {R"(feishu_webhook = "env:NO_SUCH_VARIABLE")", "notify.feishu_webhook", "is not set"},
        {R"(feishu_secret = "HIDDEN")", "notify.feishu_secret", "expected notify.feishu_webhook"},
        {R"(webhook = "ftp://h/HIDDEN")", "notify.webhook", "expected"},
        {R"(webhook_body = "HIDDEN")", "notify.webhook_body", "expected notify.webhook"},
        {R"(webhook = "http://h/"
webhook_body = "HIDDEN")",
         "notify.webhook_body", "expected JSON"},
        {R"(webhook = "http://h/"
webhook_body = '{"a":"${HIDDEN}"}')",
         "notify.webhook_body", "expected one of"},
        {R"(matrix_homeserver = "https://HIDDEN@m"
matrix_room = "!r:m"
matrix_token = "t")",
         "notify.matrix_homeserver", "without user"},
        {R"(matrix_homeserver = "https://m"
matrix_room = "HIDDEN"
matrix_token = "t")",
         "notify.matrix_room", "expected a room id"},
    }));
    const auto channels = make_channels(settings_of(std::string{"[notify]\n"} + row.notify).notify);
    REQUIRE(!channels);
    CHECK(channels.error().key == row.key);
    CHECK_THAT(channels.error().problem, ContainsSubstring(row.problem));
    CHECK(describe(channels.error()).find("HIDDEN") == std::string::npos);
}

TEST_CASE("the environment's proxies matter where there is a channel")
{
    const NoChannels none;
    const Variable proxy{"https_proxy", "socks5://HIDDEN:1"};
    CHECK(channel_names("").empty());
    const auto channels = make_channels(settings_of("[notify]\nwebhook = \"https://h/\"").notify);
    REQUIRE(!channels);
    CHECK(channels.error().key == "notify");
    CHECK_THAT(channels.error().problem, ContainsSubstring("messages cannot be sent"));
}

TEST_CASE("a variable of the environment that is no URL is named")
{
    const NoChannels none;
    const Variable matrix{"MATRIX_API", "HIDDEN"};
    const auto channels = make_channels({});
    REQUIRE(!channels);
    CHECK_THAT(describe(channels.error()), ContainsSubstring("MATRIX_API: expected a URL"));
    CHECK(describe(channels.error()).find("HIDDEN") == std::string::npos);
}

}  // namespace
}  // namespace route::tests
