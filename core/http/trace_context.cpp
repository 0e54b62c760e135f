#include "core/http/trace_context.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace route {

namespace {

bool is_lower_hex(std::string_view text)
{
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// An identifier of nothing but zeros is none.
bool is_identifier(std::string_view text)
{
    return is_lower_hex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

std::string_view trace_id(std::string_view traceparent)
{
    constexpr std::string_view layout = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    if (traceparent.size() < layout.size())
        return {};
    for (const std::size_t dash : {2u, 35u, 52u})
        if (traceparent[dash] != '-')
            return {};
    const auto version = traceparent.substr(0, 2);
    if (!is_lower_hex(version) || version == "ff")
        return {};
    const bool longer = traceparent.size() > layout.size();
    if (longer && (version == "00" || traceparent[layout.size()] != '-'))
        return {};
    const auto trace = traceparent.substr(3, 32);
    const bool valid = is_identifier(trace) && is_identifier(traceparent.substr(36, 16)) &&
                       is_lower_hex(traceparent.substr(53, 2));
    return valid ? trace : std::string_view{};
}

std::string_view trace_id(const HeaderFields& fields)
{
    constexpr std::string_view name = "traceparent";
    const HeaderField* found = nullptr;
    for (const auto& field : fields) {
        // The length first: it tells nearly all other names.
        if (field.name.size() != name.size() || !equal_ignoring_case(field.name, name))
            continue;
        if (found != nullptr)
            return {};
        found = &field;
    }
    return found != nullptr ? trace_id(found->value) : std::string_view{};
}

}  // namespace route
