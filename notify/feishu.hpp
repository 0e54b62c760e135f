#pragma once

#include "notify/channel.hpp"

namespace route::notify {

/// A custom bot of Feishu or Lark: a text message to its webhook.
/// https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot
class Feishu final : public Channel
{
  public:
    /// `secret` "": the bot does not verify signatures.
    Feishu(WebUrl webhook, std::string secret) : webhook_{std::move(webhook)}, secret_{std::move(secret)} {}

    std::string_view name() const override { return "feishu"; }
    net::awaitable<Delivery> deliver(const Message& message, Http& http, SystemTime now) override;

  private:
    WebUrl webhook_;
    std::string secret_;
};

/// The bot's signature of a time (Unix seconds): HMAC-SHA256 of nothing, whose key is the time, a newline and
/// the secret; in base64.
std::string feishu_signature(std::int64_t timestamp, std::string_view secret);

/// What its reply says: 200 and `"code": 0` together are a success.
Delivery judge_feishu(const HttpReply& reply, SystemTime now);

}  // namespace route::notify
