#include "core/http/websocket_extensions.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <utility>

#include "core/text.hpp"

namespace route {
namespace {

/// Takes what stands before the next `separator` off.
std::string_view take_until(std::string_view& list, char separator)
{
    const auto end = std::min(list.find(separator), list.size());
    const auto element = trim(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
    return element;
}

/// 8 to 15, as a token or quoted. Whatever it is, a decoder with the largest window reads it.
bool is_window_size(std::string_view value)
{
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"')
        value = value.substr(1, value.size() - 2);
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), bits);
    return error == std::errc{} && end == value.data() + value.size() && value.front() != '0' && bits >= 8 &&
           bits <= 15;
}

/// Takes one parameter of permessage-deflate; false when it is none, or comes for the second time.
bool take_deflate_parameter(std::string_view parameter, WebSocketExtensions& extensions,
                            std::array<bool, 4>& seen)
{
    const bool has_value = parameter.find('=') != parameter.npos;
    auto value = parameter;
    const auto name = take_until(value, '=');
    value = trim(value);
    constexpr std::array<std::string_view, 4> names{"client_no_context_takeover",
                                                    "server_no_context_takeover", "client_max_window_bits",
                                                    "server_max_window_bits"};
    const auto* const found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
        return false;
    const auto which = static_cast<std::size_t>(found - names.begin());
    if (std::exchange(seen[which], true))
        return false;
    if (which >= 2)
        return has_value && is_window_size(value);
    (which == 0 ? extensions.client : extensions.server).no_context_takeover = true;
    return !has_value;
}

}  // namespace

std::optional<WebSocketExtensions> read_websocket_extensions(std::string_view reply_field)
{
    WebSocketExtensions extensions;
    while (!reply_field.empty()) {
        auto parameters = take_until(reply_field, ',');
        if (parameters.empty())
            continue;
        if (take_until(parameters, ';') != "permessage-deflate" || extensions.server.agreed)
            return std::nullopt;
        extensions.client.agreed = extensions.server.agreed = true;
        std::array<bool, 4> seen{};
        while (!parameters.empty())
            if (!take_deflate_parameter(take_until(parameters, ';'), extensions, seen))
                return std::nullopt;
    }
    return extensions;
}

}  // namespace route
