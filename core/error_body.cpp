#include "core/error_body.hpp"

#include <boost/json/serialize.hpp>

#include "core/text.hpp"

namespace route {

namespace {

/// A JSON string, quotes included.
std::string quoted(std::string_view text)
{
    return boost::json::serialize(boost::json::string_view{clean_utf8(std::string{text})});
}

std::string openai_error(std::string_view message, std::string_view type, std::string_view code)
{
    return R"({"error":{"message":)" + quoted(message) + R"(,"type":)" + quoted(type) +
           R"(,"param":null,"code":)" + quoted(code) + "}}";
}

constexpr std::string_view truncated_code = "upstream_truncated";

}  // namespace

std::string error_body(const RouterError& error)
{
    return openai_error(error.message, error_type(error.status), error.code);
}

std::string_view error_type(unsigned status)
{
    return status < 500 ? "invalid_request_error" : "server_error";
}

std::string truncation_event(std::string_view path, std::string_view message)
{
    if (path.substr(0, path.find('?')) != "/v1/messages")
        return "data: " + openai_error(message, error_type(502), truncated_code) + "\n\n";
    return R"(event: error
data: {"type":"error","error":{"type":"api_error","message":)" +
           quoted(message) + R"(,"code":)" + quoted(truncated_code) + "}}\n\n";
}

}  // namespace route
