#include "notify/matrix.hpp"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>

#include "notify/json_reply.hpp"

namespace route::notify {

namespace json = boost::json;

namespace {

constexpr std::string_view api = "/_matrix/client/v3";

std::string html_escaped(std::string_view text)
{
    std::string result;
    for (const char c : text) {
        switch (c) {
            case '&':
                result += "&amp;";
                break;
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            case '"':
                result += "&quot;";
                break;
            case '\n':
                result += "<br>";
                break;
            default:
                result += c;
        }
    }
    return result;
}

std::string code(std::string_view text)
{
    return "<code>" + html_escaped(text) + "</code>";
}

json::object text_message(const Message& message)
{
    json::object content;
    content["msgtype"] = "m.text";
    content["body"] = message.text;
    return content;
}

}  // namespace

bool valid_matrix_room(std::string_view room)
{
    return room.size() > 2 && room.size() <= 255 && (room.front() == '!' || room.front() == '#') &&
           (room.front() == '!' || room.find(':') != room.npos) && room.find_first_of(" \t\r\n") == room.npos;
}

std::string matrix_html(const Message& message)
{
    std::string html;
    const auto begin_line = [&] { html += html.empty() ? "" : "<br>"; };
    for (const auto& group : message.failures) {
        const auto& failure = group.first;
        begin_line();
        html += fmt::format(
            "IP: {} request {} error <strong>{}</strong> with {}", html_escaped(failure.ip),
            code(failure.subject), failure.status,
            html_escaped(message.kind == Message::Kind::failure ? what_happened(failure) : failure.reason));
        if (message.kind == Message::Kind::failures)
            html += fmt::format(" (<strong>{}</strong> {} within {})", group.count,
                                group.count == 1 ? "time" : "times", duration_text(message.window));
    }
    if (message.failures.empty())
        return html_escaped(message.text);
    if (message.others > 0) {
        begin_line();
        html += fmt::format("{} other failed {} within {}", message.others,
                            message.others == 1 ? "request" : "requests", duration_text(message.window));
    }
    return html;
}

Delivery judge_matrix(const HttpReply& reply, SystemTime now)
{
    auto delivery = judge_status(reply, now);
    const auto object = json_object_in(reply.body);
    if (delivery.result == Delivery::Result::ok) {
        if (!object || text_of(*object, "event_id").empty())
            delivery = {Delivery::Result::refused, "the reply is not that of a homeserver: no event_id"};
        return delivery;
    }
    const auto code = object ? text_of(*object, "errcode") : std::string{};
    if (code.empty())
        return delivery;
    delivery.detail = fmt::format("HTTP {}: {}: {}", reply.status, code, text_of(*object, "error"));
    if (code != "M_LIMIT_EXCEEDED")
        return delivery;
    delivery.result = Delivery::Result::retry;
    // Deprecated by v1.10 in favour of Retry-After, which wins.
    if (const auto wait = number_of(*object, "retry_after_ms"); wait && *wait >= 0 && !delivery.wait)
        delivery.wait = std::chrono::milliseconds{*wait};
    return delivery;
}

HttpRequest Matrix::request(std::string_view method, std::string_view path) const
{
    HttpRequest request{std::string{method}, below(homeserver_, fmt::format("{}{}", api, path))};
    request.fields = {{"Authorization", "Bearer " + token_}};
    return request;
}

net::awaitable<Delivery> Matrix::find_room(Http& http, SystemTime now)
{
    if (!room_.starts_with('#')) {
        room_id_ = room_;
        co_return Delivery{};
    }
    const auto question = request("GET", "/directory/room/" + path_segment(room_));
    auto asking = http.ask(question);
    const auto reply = co_await std::move(asking);
    const auto object = json_object_in(reply.body);
    if (reply.status == 200 && object)
        room_id_ = object->contains("room_id") ? text_of(*object, "room_id") : "";
    if (!room_id_.empty())
        co_return Delivery{};
    auto delivery = judge_matrix(reply, now);
    if (delivery.detail.empty())
        delivery.detail = "no room_id in the reply";
    delivery.detail = "the room's alias leads nowhere: " + delivery.detail;
    co_return delivery;
}

/// Asked before each message: a room may become encrypted at any time, and never ceases to be.
net::awaitable<Delivery> Matrix::check_room(Http& http, SystemTime now)
{
    const auto question = request("GET", "/rooms/" + path_segment(room_id_) + "/state/m.room.encryption");
    auto asking = http.ask(question);
    const auto reply = co_await std::move(asking);
    Delivery delivery;
    if (reply.status == 200) {
        delivery = {
            Delivery::Result::refused,
            "the room is encrypted, which is not supported: take one that is not (encryption cannot be "
            "switched off)"};
    } else if (reply.status != 404) {
        delivery = judge_matrix(reply, now);
    }
    co_return delivery;
}

net::awaitable<Delivery> Matrix::deliver(const Message& message, Http& http, SystemTime now)
{
    if (room_id_.empty()) {
        auto found = co_await find_room(http, now);
        if (found.result != Delivery::Result::ok)
            co_return found;
    }
    auto checked = co_await check_room(http, now);
    if (checked.result != Delivery::Result::ok)
        co_return checked;
    auto put = request("PUT", fmt::format("/rooms/{}/send/m.room.message/{}", path_segment(room_id_),
                                          path_segment(message.id)));
    auto content = text_message(message);
    content["format"] = "org.matrix.custom.html";
    content["formatted_body"] = matrix_html(message);
    content["m.mentions"] = json::object{};  // nobody, whatever names clients send (MSC3952, v1.7)
    put.body = json::serialize(content);
    auto asking = http.ask(put);
    const auto reply = co_await std::move(asking);
    auto delivery = judge_matrix(reply, now);
    if (delivery.result == Delivery::Result::refused)
        room_id_.clear();  // an alias may lead to another room by now
    co_return delivery;
}

net::awaitable<Delivery> MatrixApi::deliver(const Message& message, Http& http, SystemTime now)
{
    auto content = text_message(message);
    content["message"] = "m.text";
    HttpRequest post{"POST", url_};
    post.body = json::serialize(content);
    auto asking = http.ask(post);
    const auto reply = co_await std::move(asking);
    co_return judge_status(reply, now);
}

}  // namespace route::notify
