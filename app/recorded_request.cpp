#include "app/recorded_request.hpp"

#include <fmt/format.h>

#include "core/text.hpp"

namespace route {

std::string reason_not_sendable(const Record& record)
{
    const auto& body = record.body;
    if (record.status == 101)
        return "it is of a WebSocket";
    if (record.body_bytes > 0 && body.empty())
        return "its body is not recorded";
    const bool marked = body.ends_with(" bytes]") && body.size() < record.body_bytes;
    if (marked && body.starts_with('['))
        return "its body is not recorded: it was " + body.substr(1, body.size() - 2);
    if (marked)
        return fmt::format("of its body only the beginning is recorded (it had {} bytes)", record.body_bytes);
    return {};
}

std::string content_type_of(const Record& record)
{
    const auto text = trim(record.body);
    if (text.starts_with('{') || text.starts_with('['))
        return "application/json";
    // RFC 2046 5.1.1: the boundary stands behind the first two dashes.
    const auto end = text.find("\r\n");
    if (text.starts_with("--") && end != text.npos && end <= 2 + 70)
        return fmt::format("multipart/form-data; boundary=\"{}\"", text.substr(2, end - 2));
    return {};
}

}  // namespace route
