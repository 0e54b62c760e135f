#include "notify/feishu.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <boost/json/serialize.hpp>

#include "core/text.hpp"
#include "notify/json_reply.hpp"

namespace route::notify {

namespace {

/// "Too many requests": 100 a minute and 5 a second are allowed.
constexpr std::int64_t too_many = 11232;

/// `<at …>` would call people: names and errors come from outside.
std::string without_tags(std::string_view text)
{
    std::string result;
    for (const char c : text) {
        if (c == '<')
            result += "‹";
        else if (c == '>')
            result += "›";
        else
            result += c;
    }
    return result;
}

}  // namespace

std::string feishu_signature(std::int64_t timestamp, std::string_view secret)
{
    const auto key = fmt::format("{}\n{}", timestamp, secret);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), nullptr, 0, digest.data(), &size);
    std::array<unsigned char, 4 * ((EVP_MAX_MD_SIZE + 2) / 3) + 1> text{};
    const int length = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(size));
    return {text.data(), text.data() + length};
}

Delivery judge_feishu(const HttpReply& reply, SystemTime now)
{
    const auto object = json_object_in(reply.body);
    auto code = object ? number_of(*object, "code") : std::nullopt;
    if (object && !code)
        code = number_of(*object, "StatusCode");  // what the bot's replies had before `code`
    if (!code) {
        auto delivery = judge_status(reply, now);
        if (delivery.result == Delivery::Result::ok)
            delivery = {Delivery::Result::refused,
                        "the reply is not that of a bot: " + escape_for_log(reply.body)};
        return delivery;
    }
    if (*code == 0)
        return judge_status(reply, now);
    Delivery delivery{Delivery::Result::refused, fmt::format("code {}: {}", *code, text_of(*object, "msg"))};
    if (*code == too_many || judge_status(reply, now).result == Delivery::Result::retry) {
        delivery.result = Delivery::Result::retry;
        delivery.wait = judge_status(reply, now).wait;
    }
    return delivery;
}

net::awaitable<Delivery> Feishu::deliver(const Message& message, Http& http, SystemTime now)
{
    boost::json::object content;
    content["text"] = without_tags(message.text);
    boost::json::object body;
    body["msg_type"] = "text";
    body["content"] = std::move(content);
    if (!secret_.empty()) {
        const auto timestamp =
            std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
        body["timestamp"] = std::to_string(timestamp);
        body["sign"] = feishu_signature(timestamp, secret_);
    }
    HttpRequest request{"POST", webhook_};
    request.body = boost::json::serialize(body);
    auto asking = http.ask(request);
    const auto reply = co_await std::move(asking);
    co_return judge_feishu(reply, now);
}

}  // namespace route::notify
