#include "app/channels.hpp"

#include <cstdlib>
#include <utility>

#include "app/config/secrets.hpp"
#include "app/configured_table.hpp"
#include "notify/feishu.hpp"
#include "notify/matrix.hpp"
#include "notify/webhook.hpp"

namespace route {
namespace {

using notify::WebUrl;

ConfigError refused(const char* key, std::string problem)
{
    return ConfigError{{}, 0, std::string{"notify."} + key, std::move(problem), {}};
}

std::string environment(const char* name)
{
    const auto* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

ConfigResult<std::string> resolved(const char* key, const std::string& setting)
{
    auto value = unrestricted_secrets()(setting);
    if (!value)
        return refused(key, value.error().reason);
    // ConfigError could be made of a string, too: the result has to be told which it is.
    return ConfigResult<std::string>{boost::system::in_place_value, *std::move(value)};
}

ConfigResult<WebUrl> url_of(const char* key, const std::string& setting)
{
    const auto text = resolved(key, setting);
    if (!text)
        return text.error();
    auto url = notify::parse_web_url(*text);
    if (!url)
        return refused(key, url.error().reason);
    return *std::move(url);
}

ConfigResult<WebUrl> url_of_environment(const char* name)
{
    auto url = notify::parse_web_url(environment(name));
    if (!url)
        return ConfigError{
            {}, 0, "notify", std::string{"environment variable "} + name + ": " + url.error().reason, {}};
    return *std::move(url);
}

ConfigResult<notify::ChannelPtr> feishu(const NotifySettings& settings)
{
    constexpr auto key = "feishu_webhook";
    constexpr auto variable = "FEISHU_WEBHOOK";
    const bool configured = !settings.feishu_webhook.empty();
    if (!configured && environment(variable).empty()) {
        if (!settings.feishu_secret.empty())
            return refused("feishu_secret", "expected notify.feishu_webhook or FEISHU_WEBHOOK with it");
        return notify::ChannelPtr{};
    }
    auto url = configured ? url_of(key, settings.feishu_webhook) : url_of_environment(variable);
    if (!url)
        return url.error();
    auto secret = resolved("feishu_secret", settings.feishu_secret);
    if (!secret)
        return secret.error();
    return std::make_shared<notify::Feishu>(*std::move(url), *std::move(secret));
}

ConfigResult<notify::ChannelPtr> matrix(const NotifySettings& settings)
{
    if (settings.matrix_homeserver.empty())
        return notify::ChannelPtr{};
    auto homeserver = url_of("matrix_homeserver", settings.matrix_homeserver);
    if (!homeserver)
        return homeserver.error();
    if (!homeserver->user_info.empty() || !homeserver->query.empty())
        return refused("matrix_homeserver",
                       "expected a URL without user and query: notify.matrix_token says who sends");
    if (!notify::valid_matrix_room(settings.matrix_room))
        return refused("matrix_room", "expected a room id, !…, or an alias, #NAME:SERVER");
    auto token = resolved("matrix_token", settings.matrix_token);
    if (!token)
        return token.error();
    return std::make_shared<notify::Matrix>(*std::move(homeserver), settings.matrix_room, *std::move(token));
}

ConfigResult<notify::ChannelPtr> matrix_api()
{
    constexpr auto variable = "MATRIX_API";
    if (environment(variable).empty())
        return notify::ChannelPtr{};
    auto url = url_of_environment(variable);
    if (!url)
        return url.error();
    return std::make_shared<notify::MatrixApi>(*std::move(url));
}

ConfigResult<notify::ChannelPtr> webhook(const NotifySettings& settings)
{
    if (settings.webhook.empty()) {
        if (!settings.webhook_body.empty())
            return refused("webhook_body", "expected notify.webhook with it");
        return notify::ChannelPtr{};
    }
    auto url = url_of("webhook", settings.webhook);
    if (!url)
        return url.error();
    auto body = resolved("webhook_body", settings.webhook_body);
    if (!body)
        return body.error();
    if (!body->empty())
        if (const auto valid = notify::check_template(*body); !valid)
            return refused("webhook_body", valid.error().reason);
    return std::make_shared<notify::Webhook>(*std::move(url), *std::move(body));
}

}  // namespace

ConfigResult<std::vector<notify::ChannelPtr>> make_channels(const NotifySettings& settings)
{
    std::vector<notify::ChannelPtr> channels;
    for (auto& made : {feishu(settings), matrix(settings), matrix_api(), webhook(settings)}) {
        if (!made)
            return made.error();
        if (*made)
            channels.push_back(*made);
    }
    if (channels.empty())
        return channels;
    if (const auto proxies = environment_proxies(); !proxies)
        return ConfigError{{}, 0, "notify", "messages cannot be sent: " + proxies.error().reason, {}};
    return channels;
}

}  // namespace route
