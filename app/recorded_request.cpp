#include "app/recorded_request.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/http/doubled_path.hpp"
#include "core/http/request_path.hpp"
#include "core/text.hpp"

namespace route {
namespace {

/// RFC 2046 5.1.1: 70 of these at most, the last one no space.
bool is_boundary(std::string_view text)
{
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view{"'()+_,-./:=? "}.find(c) != std::string_view::npos;
    };
    return !text.empty() && text.size() <= 70 && text.back() != ' ' &&
           std::all_of(text.begin(), text.end(), fits);
}

}  // namespace

std::string reason_not_sendable(const Record& record)
{
    const auto& body = record.body;
    if (record.status == 101)
        return "it is of a WebSocket";
    if (!is_passed_on(record.path) || !doubled_path(record.path).empty())
        return "it was not for an upstream";
    if (is_for_the_way(record.method) || !is_token(record.method))
        return "its method is not passed on";
    const bool refused = record.attempts.empty() && record.outcome != RequestOutcome::ok;
    const bool unread = record.status == 408 || record.status == 413 || record.status == 499;
    if (refused && (unread || (record.body_bytes == 0 && record.method == "POST")))
        return "its body was not read";
    if (record.body_bytes > 0 && body.empty())
        return "its body is not recorded";
    if (is_body_whole(record))
        return {};
    if (body.starts_with('['))
        return "its body is not recorded: it was " + body.substr(1, body.size() - 2);
    return fmt::format("of its body only the beginning is recorded (it had {} bytes)", record.body_bytes);
}

std::string content_type_of(const Record& record)
{
    const auto text = trim(record.body);
    if (text.starts_with('{') || text.starts_with('['))
        return "application/json";
    const auto end = text.find("\r\n");
    if (text.starts_with("--") && end != text.npos && is_boundary(text.substr(2, end - 2)))
        return fmt::format("multipart/form-data; boundary=\"{}\"", text.substr(2, end - 2));
    return {};
}

}  // namespace route
