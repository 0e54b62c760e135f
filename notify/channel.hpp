#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/net/waiting/asio.hpp"
#include "notify/message.hpp"
#include "notify/web_url.hpp"

namespace route::notify {

struct HttpRequest
{
    std::string method;
    WebUrl url;
    /// Beside Host, Content-Length and User-Agent.
    std::vector<std::pair<std::string, std::string>> fields = {};
    std::string body = {};  ///< with Content-Type application/json
    /// What of the body is not to be shown; that which authenticates is known without.
    std::vector<std::string> secrets = {};
};

struct HttpReply
{
    unsigned status = 0;  ///< 0: there was no response
    std::string body = {};
    std::string retry_after = {};  ///< value of that field
    std::string error = {};        ///< without response: what happened
};

/// How requests are sent: over the network, or by a test's script.
class Http
{
  public:
    virtual ~Http() = default;
    /// `request` outlives it. Never throws for what the network does. The reply has no secret of the request.
    virtual net::awaitable<HttpReply> ask(const HttpRequest& request) = 0;
};

/// Puts `…` wherever the reply quotes what is secret of the request: servers like to name the path or the
/// token that they refuse, and what they say is logged and shown.
void hide_secrets(HttpReply& reply, const HttpRequest& request);

/// User and password, apart by a colon, as basic authentication sends them (RFC 7617).
std::string basic_credentials(const std::string& user_info);

/// What became of a message.
struct Delivery
{
    enum class Result
    {
        ok,
        retry,    ///< not now; `wait` says when the channel wants it, if it does
        refused,  ///< another try would end the same
    };
    Result result = Result::ok;
    std::string detail = {};  ///< why not; escaped, no secret
    std::optional<std::chrono::milliseconds> wait = {};
};

/// Where messages go: a bot, a room. Used on one thread.
class Channel
{
  public:
    virtual ~Channel() = default;

    /// Label of the metric, and how logs call it: "feishu", "matrix", "matrix_api", "webhook".
    virtual std::string_view name() const = 0;

    /// One try. `now` is for signatures. A channel that knows the message's id is not told twice.
    virtual net::awaitable<Delivery> deliver(const Message& message, Http& http, SystemTime now) = 0;
};

using ChannelPtr = std::shared_ptr<Channel>;

/// What the status alone says: 2xx is ok; no response, 408, 429 and 5xx are worth another try, after
/// Retry-After (RFC 9110 10.2.3) where there is one.
Delivery judge_status(const HttpReply& reply, SystemTime now);

}  // namespace route::notify
