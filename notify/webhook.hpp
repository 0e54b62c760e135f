#pragma once

#include "core/result.hpp"
#include "notify/channel.hpp"

namespace route::notify {

/// The strings of a template that nothing is filled into: one of them may be a key.
std::vector<std::string> template_secrets(std::string_view body);

/// A URL that takes a POST of JSON: the document of `webhook.schema.json`, or what a template makes of it.
class Webhook final : public Channel
{
  public:
    /// `body` "": the document itself. User information in the URL is sent as basic authentication (RFC
    /// 7617).
    Webhook(WebUrl url, std::string body)
        : url_{std::move(url)}, template_{std::move(body)}, secrets_{template_secrets(template_)}
    {
    }

    std::string_view name() const override { return "webhook"; }
    net::awaitable<Delivery> deliver(const Message& message, Http& http, SystemTime now) override;

  private:
    WebUrl url_;
    std::string template_;
    std::vector<std::string> secrets_;
};

/// The document: everything known of the message.
std::string webhook_document(const Message& message);

/// `body` with each `${NAME}` replaced: in a JSON string, so that it stays one. Names are `text`, `kind`,
/// `node`, `time` (RFC 3339), `id`, `subject`, `status`, `reason`, `count`, `upstream`; those of a failure
/// are of the first one told of, and empty where there is none.
std::string fill_template(std::string_view body, const Message& message);

/// Refuses a template that is not JSON once filled, or that holds a name that is none.
Result<void> check_template(std::string_view body);

/// What its reply says: the status, and of bots that answer 200 to everything (DingTalk, WeCom) `errcode`.
Delivery judge_webhook(const HttpReply& reply, SystemTime now);

}  // namespace route::notify
