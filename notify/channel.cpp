#include "notify/channel.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

#include "core/failover/retry_after.hpp"
#include "core/http/client_head.hpp"
#include "core/secret_eraser.hpp"
#include "core/text.hpp"

namespace route::notify {

namespace {

std::string detail_of(const HttpReply& reply)
{
    auto detail = fmt::format("HTTP {} {}", reply.status, reason_phrase(reply.status));
    if (const auto said = trim(reply.body); !said.empty())
        detail += ": " + escape_for_log(said);
    return detail;
}

/// What of a URL's path or query lets whoever knows it send there: all of it, and each part by itself.
void add_parts(std::vector<std::string_view>& secrets, std::string_view text, std::string_view separators)
{
    while (!text.empty()) {
        const auto end = std::min(text.find_first_of(separators), text.size());
        secrets.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}

std::vector<std::string_view> secrets_of(const HttpRequest& request, std::string_view target)
{
    const auto& url = request.url;
    std::vector<std::string_view> secrets;
    if (url.secret) {
        secrets.push_back(target);
        secrets.push_back(url.endpoint.base_path);
        add_parts(secrets, url.endpoint.base_path, "/");
        add_parts(secrets, url.query, "?&=");
    }
    secrets.push_back(url.user_info);
    add_parts(secrets, url.user_info, ":");
    for (const auto& [name, value] : request.fields)
        add_parts(secrets, value, " ");
    secrets.insert(secrets.end(), request.secrets.begin(), request.secrets.end());
    return secrets;
}

}  // namespace

void hide_secrets(HttpReply& reply, const HttpRequest& request)
{
    const auto target = request.url.endpoint.base_path + request.url.query;
    const auto credentials = basic_credentials(request.url.user_info);
    auto secrets = secrets_of(request, target);
    secrets.push_back(credentials);
    SecretEraser eraser;
    for (const auto& secret : secrets)
        eraser.add(secret);
    eraser.erase(reply.body);
    eraser.erase(reply.error);
}

std::string basic_credentials(const std::string& user_info)
{
    std::string text(4 * ((user_info.size() + 2) / 3) + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                     reinterpret_cast<const unsigned char*>(user_info.data()),
                                     static_cast<int>(user_info.size()));
    text.resize(static_cast<std::size_t>(size));
    return text;
}

Delivery judge_status(const HttpReply& reply, SystemTime now)
{
    if (reply.status == 0)
        return {Delivery::Result::retry, escape_for_log(reply.error)};
    if (reply.status >= 200 && reply.status < 300)
        return {};
    Delivery delivery{Delivery::Result::refused, detail_of(reply)};
    if (reply.status == 408 || reply.status == 429 || reply.status >= 500) {
        delivery.result = Delivery::Result::retry;
        delivery.wait = parse_retry_after(reply.retry_after, now);
    }
    return delivery;
}

}  // namespace route::notify
