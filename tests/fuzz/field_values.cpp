// URLs, and the values of single fields. An input is the value; for patterns, its first line is the pattern.
#include <chrono>
#include <string>

#include "core/failover/endpoint.hpp"
#include "core/failover/retry_after.hpp"
#include "core/failover/upstream.hpp"
#include "core/http/media_type.hpp"
#include "core/http/trace_context.hpp"
#include "core/text.hpp"
#include "tests/fuzz/input.hpp"

using namespace route;
using namespace route::fuzz;

namespace {

/// Fit for a request line and a Host field.
bool is_visible(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

void check_endpoint(std::string_view text)
{
    require(valid_utf8(clean_utf8(mask_endpoint(text))), "any endpoint can be shown");
    const auto endpoint = parse_endpoint(text);
    if (!endpoint)
        return;
    require(!endpoint->host.empty() && endpoint->port != 0, "an endpoint has a host and a port");
    require(is_visible(endpoint->base_path) && is_visible(endpoint->authority) && is_visible(endpoint->host),
            "an endpoint has nothing that would end a line or a word");
    require(endpoint->base_path.starts_with('/') && !endpoint->base_path.ends_with('/'),
            "a path begins with a slash and does not end with one");
    require(endpoint->authority.find_first_of("@/?#") == std::string::npos,
            "an authority is no more than that");
    require(endpoint->base_path.find_first_of("?#") == std::string::npos, "a path is no more than that");
    const auto again = parse_endpoint(endpoint->origin + endpoint->base_path);
    require(again.has_value(), "an endpoint put together is one");
    require_equal(again->origin, endpoint->origin, "it has the same origin");
    require_equal(again->authority, endpoint->authority, "it has the same authority");
    require_equal(again->base_path, endpoint->base_path, "it has the same path");
    require(again->port == endpoint->port && again->tls == endpoint->tls && again->host == endpoint->host,
            "it leads to the same place");
}

void check_proxy_url(std::string_view text)
{
    const auto proxy = parse_proxy(text);
    if (proxy)
        require(!proxy->host.empty() && proxy->port != 0 && is_visible(proxy->host),
                "a proxy has a host and a port");
}

void check_retry_after(std::string_view text)
{
    const auto now = std::chrono::system_clock::time_point{std::chrono::seconds{1'800'000'000}};
    for (const auto& wait : {parse_retry_after(text, now), parse_retry_after_ms(text)})
        require(!wait || (wait->count() >= 0 && *wait <= std::chrono::hours{24 * 366}),
                "a wait is neither past nor endless");
}

void check_field(std::string_view text)
{
    const auto type = media_type(text);
    require(type.find(';') == std::string_view::npos, "a media type has no parameters");
    require(!is_json_type(text) || is_textual_type(text), "JSON is text");
    if (const auto boundary = field_parameter(text, "boundary"))
        require(boundary->size() <= text.size(), "a parameter is part of its field");
}

void check_trace(std::string_view text)
{
    const auto trace = trace_id(text);
    require(trace.empty() || (trace.size() == 32 && trace == text.substr(3, 32) &&
                              trace.find_first_not_of("0123456789abcdef") == std::string_view::npos),
            "a trace id is 32 digits of its field");
}

/// Simple and slow.
bool matches(std::string_view pattern, std::string_view text)
{
    if (pattern.empty())
        return text.empty();
    if (pattern.front() != '*')
        return !text.empty() && text.front() == pattern.front() && matches(pattern.substr(1), text.substr(1));
    for (std::size_t taken = 0; taken <= text.size(); ++taken)
        if (matches(pattern.substr(1), text.substr(taken)))
            return true;
    return false;
}

void check_pattern(std::string_view pattern, std::string_view text)
{
    constexpr std::size_t enough = 12;
    pattern = pattern.substr(0, enough);
    text = text.substr(0, enough);
    require(matches_pattern(pattern, text) == matches(pattern, text), "a pattern matches what it says");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const Bytes whole{input.bytes()};
    check_endpoint(whole.view());
    check_proxy_url(whole.view());
    check_retry_after(whole.view());
    check_field(whole.view());
    check_trace(whole.view());
    (void)mask_key(whole.view());
    const Bytes pattern{input.take_line()};
    check_pattern(pattern.view(), Bytes{input.bytes()}.view());
    return 0;
}
