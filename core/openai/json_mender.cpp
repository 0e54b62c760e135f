#include "core/openai/json_mender.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "core/hex_digit.hpp"

namespace route::json {
namespace {

constexpr std::size_t unit_size = 6;  // \uXXXX

/// The code unit that `text` begins with as an escape.
std::optional<unsigned> code_unit(std::string_view text)
{
    if (text.size() < unit_size || text[0] != '\\' || text[1] != 'u')
        return std::nullopt;
    unsigned unit = 0;
    for (const char c : text.substr(2, 4)) {
        const int digit = hex_digit(c);
        if (digit < 0)
            return std::nullopt;
        unit = unit * 16 + static_cast<unsigned>(digit);
    }
    return unit;
}

bool is_high_surrogate(unsigned unit)
{
    return (unit & 0xfc00u) == 0xd800u;
}

bool is_low_surrogate(unsigned unit)
{
    return (unit & 0xfc00u) == 0xdc00u;
}

/// Whether more text can make a code unit of this.
bool begins_code_unit(std::string_view text)
{
    return text.size() < unit_size && std::string_view{"\\u"}.starts_with(text.substr(0, 2));
}

bool is_simple_escape(char c)
{
    switch (c) {
        case '"':
        case '\\':
        case '/':
        case 'b':
        case 'f':
        case 'n':
        case 'r':
        case 't':
            return true;
        default:
            return false;
    }
}

/// Mends the escape of a code unit, or what looks like one, at the beginning of `text`. Returns its length, 0
/// when more text is needed to say.
std::size_t mend_escape(std::span<char> text, bool more)
{
    const std::string_view view{text.data(), text.size()};
    if (more && begins_code_unit(view))
        return 0;
    const auto unit = code_unit(view);
    if (!unit) {
        text.front() = ' ';
        return 1;
    }
    if (!is_high_surrogate(*unit) && !is_low_surrogate(*unit))
        return unit_size;
    if (is_high_surrogate(*unit)) {
        const auto behind = view.substr(unit_size);
        if (more && begins_code_unit(behind))
            return 0;
        const auto second = code_unit(behind);
        if (second && is_low_surrogate(*second))
            return 2 * unit_size;
    }
    std::memcpy(text.data() + 2, "fffd", 4);
    return unit_size;
}

}  // namespace

std::size_t mend_escapes(std::span<char> text, bool more)
{
    std::size_t at = 0;
    while (at < text.size()) {
        const void* found = std::memchr(text.data() + at, '\\', text.size() - at);
        if (found == nullptr)
            break;
        at = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
        if (at + 1 < text.size() && is_simple_escape(text[at + 1])) {
            at += 2;
            continue;
        }
        const auto length = mend_escape(text.subspan(at), more);
        if (length == 0)
            return at;
        at += length;
    }
    return text.size();
}

void blank_controls(std::span<char> text)
{
    constexpr std::uint64_t each = 0x0101010101010101u;
    std::size_t at = 0;
    for (; at + sizeof(std::uint64_t) <= text.size(); at += sizeof(std::uint64_t)) {
        std::uint64_t bytes = 0;
        std::memcpy(&bytes, text.data() + at, sizeof(bytes));
        // The top bit of each byte says whether it is 0x20 or more.
        const auto others = ((bytes & each * 0x7f) + each * 0x60) | bytes;
        const auto controls = (~others >> 7 & each) * 0xff;
        bytes = (bytes & ~controls) | (each * ' ' & controls);
        std::memcpy(text.data() + at, &bytes, sizeof(bytes));
    }
    std::replace_if(
        text.begin() + static_cast<std::ptrdiff_t>(at), text.end(),
        [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
}

}  // namespace route::json
