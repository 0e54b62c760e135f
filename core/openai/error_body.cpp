#include "core/openai/error_body.hpp"

#include <boost/json/serialize.hpp>

#include "core/text.hpp"

namespace route {

namespace {

/// A JSON string, quotes included.
std::string json_string(std::string_view text)
{
    return boost::json::serialize(boost::json::string_view{clean_utf8(std::string{text})});
}

std::string openai_error(std::string_view message, std::string_view type, std::string_view code)
{
    return R"({"error":{"message":)" + json_string(message) + R"(,"type":)" + json_string(type) +
           R"(,"param":null,"code":)" + json_string(code) + "}}";
}

/// Whether `path` is `endpoint` or below it.
bool is_at(std::string_view path, std::string_view endpoint)
{
    if (!path.starts_with(endpoint))
        return false;
    path.remove_prefix(endpoint.size());
    return path.empty() || path.front() == '/' || path.front() == '?';
}

constexpr std::string_view messages = "/v1/messages";
constexpr std::string_view responses = "/v1/responses";
constexpr std::string_view truncated_code = "upstream_truncated";

/// Anthropic's names (docs.anthropic.com/en/api/errors).
std::string_view anthropic_type(unsigned status)
{
    switch (status) {
        case 401:
            return "authentication_error";
        case 403:
            return "permission_error";
        case 404:
            return "not_found_error";
        case 413:
            return "request_too_large";
        case 429:
            return "rate_limit_error";
        case 503:
        case 529:
            return "overloaded_error";
        default:
            return status < 500 ? "invalid_request_error" : "api_error";
    }
}

}  // namespace

std::string error_body(const RouterError& error, std::string_view path)
{
    if (!is_at(path, messages))
        return openai_error(error.message, error_type(error.status), error.code);
    return R"({"type":"error","error":{"type":)" + json_string(anthropic_type(error.status)) +
           R"(,"message":)" + json_string(error.message) + "}}";
}

std::string_view error_type(unsigned status)
{
    return status < 500 ? "invalid_request_error" : "server_error";
}

std::string error_event(const RouterError& error, std::string_view path, std::uint64_t events)
{
    if (is_at(path, messages))
        return R"(event: error
data: {"type":"error","error":{"type":)" +
               json_string(anthropic_type(error.status)) + R"(,"message":)" + json_string(error.message) +
               R"(,"code":)" + json_string(error.code) + "}}\n\n";
    if (is_at(path, responses))
        return R"(event: error
data: {"type":"error","sequence_number":)" +
               std::to_string(events) + R"(,"code":)" + json_string(error.code) + R"(,"message":)" +
               json_string(error.message) + R"(,"param":null})" + "\n\n";
    return "data: " + openai_error(error.message, error_type(error.status), error.code) + "\n\n";
}

std::string truncation_event(std::string_view path, std::string_view message, std::uint64_t events)
{
    return error_event({502, truncated_code, std::string{message}}, path, events);
}

}  // namespace route
