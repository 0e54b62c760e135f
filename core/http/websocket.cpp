#include "core/http/websocket.hpp"

#include <algorithm>
#include <utility>

#include "core/text.hpp"

namespace route {

namespace {

constexpr std::string_view key_prefix = "openai-insecure-api-key.";

bool is_key(std::string_view protocol)
{
    return protocol.size() >= key_prefix.size() &&
           equal_ignoring_case(protocol.substr(0, key_prefix.size()), key_prefix);
}

/// Takes the first element off a comma-separated list.
std::string_view take_element(std::string_view& list)
{
    const auto comma = std::min(list.find(','), list.size());
    const auto element = trim(list.substr(0, comma));
    list.remove_prefix(std::min(comma + 1, list.size()));
    return element;
}

}  // namespace

std::optional<std::string_view> key_among_protocols(std::string_view protocols)
{
    while (!protocols.empty())
        if (const auto protocol = take_element(protocols); is_key(protocol))
            return protocol.substr(key_prefix.size());
    return std::nullopt;
}

std::string protocols_with_key(std::string_view protocols, std::string_view key)
{
    std::string result;
    while (!protocols.empty()) {
        const auto protocol = take_element(protocols);
        const bool was_key = is_key(protocol);
        if (protocol.empty() || (was_key && key.empty()))
            continue;
        if (!result.empty())
            result.append(", ");
        if (was_key)
            result.append(key_prefix).append(std::exchange(key, {}));
        else
            result.append(protocol);
    }
    return result;
}

bool may_be_protocol(std::string_view key)
{
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !key.empty() && std::all_of(key.begin(), key.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               others.find(c) != others.npos;
    });
}

}  // namespace route
