#pragma once

#include <fmt/format.h>

#include <string_view>

namespace route {

/// Appends `text`, which has to be UTF-8, as a JSON string with its quotes.
inline void append_json_string(fmt::memory_buffer& out, std::string_view text)
{
    constexpr std::string_view digits = "0123456789abcdef";
    out.push_back('"');
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (byte < 0x20) {
            out.append(std::string_view{"\\u00"});
            out.push_back(digits[byte >> 4]);
            out.push_back(digits[byte & 15]);
        } else {
            out.push_back(c);
        }
    }
    out.push_back('"');
}

}  // namespace route
