#include "notify/webhook.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "core/timestamps.hpp"
#include "notify/json_reply.hpp"

namespace route::notify {

namespace json = boost::json;

namespace {

constexpr std::array names{"text",    "kind",   "node",   "time",  "id",
                           "subject", "status", "reason", "count", "upstream"};

/// DingTalk's: more than 20 messages a minute.
constexpr std::int64_t dingtalk_too_many = 130101;
/// WeCom's: more than 20 messages a minute.
constexpr std::int64_t wecom_too_many = 45009;

std::uint64_t count_of(const Message& message)
{
    auto count = message.others;
    for (const auto& group : message.failures)
        count += group.count;
    return count;
}

json::object failure_object(const FailureGroup& group)
{
    const auto& failure = group.first;
    json::object object;
    object["count"] = group.count;
    object["ip"] = failure.ip;
    object["subject"] = failure.subject;
    object["status"] = failure.status;
    object["reason"] = failure.reason;
    object["request_id"] = failure.request_id;
    object["upstream"] = failure.upstream;
    object["first"] = format_timestamp(failure.time);
    object["last"] = format_timestamp(group.last);
    return object;
}

std::string value_of(std::string_view name, const Message& message)
{
    if (name == "text")
        return message.text;
    if (name == "kind")
        return std::string{to_string(message.kind)};
    if (name == "node")
        return message.node;
    if (name == "time")
        return format_timestamp(message.time);
    if (name == "id")
        return message.id;
    if (name == "count")
        return std::to_string(count_of(message));
    if (name == "upstream" && message.kind == Message::Kind::recovery)
        return message.recovery.upstream;
    if (message.failures.empty())
        return {};
    const auto& failure = message.failures.front().first;
    if (name == "subject")
        return failure.subject;
    if (name == "status")
        return std::to_string(failure.status);
    if (name == "reason")
        return failure.reason;
    return failure.upstream;
}

/// Escaped for the inside of a JSON string.
std::string inside_string(std::string_view text)
{
    const auto quoted = json::serialize(json::string_view{text.data(), text.size()});
    return quoted.substr(1, quoted.size() - 2);
}

/// Calls `take_text(part)` and `take_name(name)` for the parts of a template, in their order.
template <class TakeText, class TakeName>
void for_each_part(std::string_view body, TakeText take_text, TakeName take_name)
{
    while (!body.empty()) {
        const auto begin = std::min(body.find("${"), body.size());
        take_text(body.substr(0, begin));
        body.remove_prefix(begin);
        const auto end = body.find('}');
        if (body.empty())
            return;
        take_name(end == body.npos ? body.substr(2) : body.substr(2, end - 2));
        body.remove_prefix(end == body.npos ? body.size() : end + 1);
    }
}

/// Those within `value` that hold no `${`.
void add_strings(std::vector<std::string>& strings, const json::value& value)
{
    if (const auto* text = value.if_string(); text != nullptr && text->find("${") == text->npos)
        strings.emplace_back(std::string_view{*text});
    if (const auto* array = value.if_array())
        for (const auto& each : *array)
            add_strings(strings, each);
    if (const auto* object = value.if_object())
        for (const auto& [name, each] : *object)
            add_strings(strings, each);
}

}  // namespace

std::string webhook_document(const Message& message)
{
    json::object document;
    document["version"] = 1;
    document["kind"] = to_string(message.kind);
    document["id"] = message.id;
    document["time"] = format_timestamp(message.time);
    document["node"] = message.node;
    document["text"] = message.text;
    document["count"] = count_of(message);
    json::array failures;
    for (const auto& group : message.failures)
        failures.push_back(failure_object(group));
    document["failures"] = std::move(failures);
    if (message.kind == Message::Kind::recovery) {
        json::object recovery;
        recovery["upstream"] = message.recovery.upstream;
        recovery["seconds"] = message.recovery.away.count();
        document["recovery"] = std::move(recovery);
    }
    return json::serialize(document);
}

std::string fill_template(std::string_view body, const Message& message)
{
    std::string filled;
    for_each_part(
        body, [&](std::string_view text) { filled += text; },
        [&](std::string_view name) { filled += inside_string(value_of(name, message)); });
    return filled;
}

std::vector<std::string> template_secrets(std::string_view body)
{
    boost::system::error_code failed;
    const auto value = json::parse(json::string_view{body.data(), body.size()}, failed);
    std::vector<std::string> secrets;
    if (!failed)
        add_strings(secrets, value);
    return secrets;
}

Result<void> check_template(std::string_view body)
{
    bool known = true;
    for_each_part(
        body, [](std::string_view) {},
        [&](std::string_view name) {
            known = known && std::find(names.begin(), names.end(), name) != names.end();
        });
    if (!known)
        return Invalid{fmt::format("expected one of {} in ${{…}}", fmt::join(names, ", "))};
    boost::system::error_code failed;
    const auto filled = fill_template(body, tell_test());
    json::parse(json::string_view{filled.data(), filled.size()}, failed);
    if (failed)
        return Invalid{"expected JSON, in which ${text} and so on stand inside strings"};
    return {};
}

Delivery judge_webhook(const HttpReply& reply, SystemTime now)
{
    auto delivery = judge_status(reply, now);
    if (delivery.result != Delivery::Result::ok)
        return delivery;
    const auto object = json_object_in(reply.body);
    const auto code = object ? number_of(*object, "errcode") : std::nullopt;
    if (!code || *code == 0)
        return delivery;
    delivery.result = *code == dingtalk_too_many || *code == wecom_too_many ? Delivery::Result::retry
                                                                            : Delivery::Result::refused;
    delivery.detail = fmt::format("errcode {}: {}", *code, text_of(*object, "errmsg"));
    return delivery;
}

net::awaitable<Delivery> Webhook::deliver(const Message& message, Http& http, SystemTime now)
{
    HttpRequest post{"POST", url_};
    if (template_.empty())
        post.body = webhook_document(message);
    else
        post.body = fill_template(template_, message);
    post.secrets = secrets_;
    auto asking = http.ask(post);
    const auto reply = co_await std::move(asking);
    co_return judge_webhook(reply, now);
}

}  // namespace route::notify
