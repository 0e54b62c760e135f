#include "core/text.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>

namespace route {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

/// The character a text begins with, or the bytes that one U+FFFD stands for.
struct Character
{
    std::size_t size = 1;
    bool valid = false;
    char32_t code = 0;
};

/// Which second bytes may follow a lead byte, and how long the whole is (Unicode 15, table 3-7); size 0: no
/// lead byte.
struct Sequence
{
    std::size_t size;
    unsigned char second_from;
    unsigned char second_to;
};

constexpr Sequence sequence_of(unsigned char lead)
{
    if (lead < 0x80)
        return {1, 0, 0};
    if (lead >= 0xC2 && lead <= 0xDF)
        return {2, 0x80, 0xBF};
    if (lead >= 0xE0 && lead <= 0xEF) {
        const unsigned char from = lead == 0xE0 ? 0xA0 : 0x80;
        const unsigned char to = lead == 0xED ? 0x9F : 0xBF;
        return {3, from, to};
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const unsigned char from = lead == 0xF0 ? 0x90 : 0x80;
        const unsigned char to = lead == 0xF4 ? 0x8F : 0xBF;
        return {4, from, to};
    }
    return {0, 0, 0};
}

Character first_character(std::string_view text)
{
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto sequence = sequence_of(byte(0));
    if (sequence.size == 0)
        return {};
    if (sequence.size == 1)
        return {1, true, byte(0)};
    char32_t code = byte(0) & (0x7Fu >> sequence.size);
    for (std::size_t i = 1; i < sequence.size; ++i) {
        const unsigned from = i == 1 ? sequence.second_from : 0x80;
        const unsigned to = i == 1 ? sequence.second_to : 0xBF;
        if (i >= text.size() || byte(i) < from || byte(i) > to)
            return {i, false, 0};
        code = code << 6 | (byte(i) & 0x3Fu);
    }
    return {sequence.size, true, code};
}

bool is_continuation(char byte)
{
    return (static_cast<unsigned char>(byte) & 0xC0u) == 0x80;
}

/// Characters that would change how the rest of a line is read or shown.
bool is_control(char32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 ||
           code == 0x061C || code == 0x200E || code == 0x200F || (code >= 0x202A && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

std::string escaped(char32_t code)
{
    switch (code) {
        case '\n':
            return "\\n";
        case '\r':
            return "\\r";
        case '\t':
            return "\\t";
        case '\\':
            return "\\\\";
        default:
            if (code < 0x80)
                return fmt::format("\\x{:02x}", static_cast<std::uint32_t>(code));
            return fmt::format("\\u{:04x}", static_cast<std::uint32_t>(code));
    }
}

/// Whether all bytes are ASCII but NUL: what nearly all texts of a record are, told eight bytes at a time.
bool is_plain_ascii(std::string_view text)
{
    constexpr std::uint64_t high = 0x8080808080808080u;
    constexpr std::uint64_t ones = 0x0101010101010101u;
    std::uint64_t found = 0;
    std::size_t at = 0;
    for (; at + sizeof found <= text.size(); at += sizeof found) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + at, sizeof word);
        found |= word | (word - ones);  // a borrow out of a byte is one that was 0, or is high anyway
    }
    for (; at < text.size(); ++at)
        found |= text[at] == 0 ? high : static_cast<unsigned char>(text[at]);
    return (found & high) == 0;
}

/// Whether a log line may hold it as it is.
bool is_plain_for_log(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F && c != '\\'; });
}

char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

}  // namespace

bool valid_utf8(std::string_view text)
{
    return simdjson::validate_utf8(text.data(), text.size());
}

std::string clean_utf8(std::string text)
{
    if (is_plain_ascii(text) || (valid_utf8(text) && text.find('\0') == std::string::npos))
        return text;
    std::string clean;
    clean.reserve(text.size() + text.size() / 8 + replacement.size());
    for (std::string_view rest = text; !rest.empty();) {
        const auto character = first_character(rest);
        if (character.valid && character.code != 0)
            clean.append(rest.substr(0, character.size));
        else
            clean.append(replacement);
        rest.remove_prefix(character.size);
    }
    return clean;
}

std::string_view cut_utf8(std::string_view text, std::size_t limit)
{
    if (text.size() <= limit)
        return text;
    std::size_t end = limit;
    while (end > 0 && limit - end < 3 && is_continuation(text[end]))
        --end;
    // In bytes that are no UTF-8 there is no character to spare.
    return text.substr(0, is_continuation(text[end]) ? limit : end);
}

std::string_view without_split_end(std::string_view text)
{
    for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
        const auto tail = text.substr(text.size() - back);
        if (is_continuation(tail.front()))
            continue;
        const bool split = sequence_of(static_cast<unsigned char>(tail.front())).size > back &&
                           first_character(tail).size == back;
        return split ? text.substr(0, text.size() - back) : text;
    }
    return text;
}

std::string escape_for_log(std::string_view text, std::size_t limit)
{
    if (text.size() <= limit && is_plain_for_log(text))
        return std::string{text};
    std::string out;
    std::size_t room_for_ellipsis = 0;  // the longest prefix of `out` behind which it still fits
    while (!text.empty()) {
        const auto character = first_character(text);
        const auto before = out.size();
        if (!character.valid) {
            for (const char byte : text.substr(0, character.size))
                fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(byte));
        } else if (character.code == '\\' || is_control(character.code)) {
            out += escaped(character.code);
        } else {
            out.append(text.substr(0, character.size));
        }
        if (before + ellipsis.size() <= limit)
            room_for_ellipsis = before;
        if (out.size() > limit) {
            out.resize(room_for_ellipsis);
            out.append(ellipsis);
            return out;
        }
        text.remove_prefix(character.size);
    }
    return out;
}

bool same_letters(std::string_view a, std::string_view b)
{
    return a == b ||  // as most are written
           std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](char x, char y) { return to_lower(x) == to_lower(y); });
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix)
{
    return text.size() >= prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

bool equals_any_ignoring_case(std::string_view text, std::initializer_list<std::string_view> words)
{
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return equal_ignoring_case(text, word); });
}

std::string_view trim(std::string_view text)
{
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (!text.empty() && blank(text.front()))
        text.remove_prefix(1);
    while (!text.empty() && blank(text.back()))
        text.remove_suffix(1);
    return text;
}

}  // namespace route
