#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace route {

/// U+2026 in UTF-8: stands where something is left out.
inline constexpr std::string_view ellipsis = "\xE2\x80\xA6";

bool valid_utf8(std::string_view text);

/// NUL and bytes that are not UTF-8 become U+FFFD (one per maximal invalid sequence). Returns the input
/// untouched when clean.
std::string clean_utf8(std::string text);

/// The longest prefix of at most `limit` bytes that does not split a character.
std::string_view cut_utf8(std::string_view text, std::size_t limit);

/// The text without the first bytes of a character whose rest is missing at its end.
std::string_view without_split_end(std::string_view text);

/// For log lines and messages: control characters (C0, DEL, C1, U+2028, U+2029, bidi controls), backslash and
/// invalid bytes as `\n`, `\t`, `\x1b`, `\u202e`…; cut at `limit` bytes, the `…` at the cut included.
std::string escape_for_log(std::string_view text, std::size_t limit = 256);

/// Of texts of one length.
bool same_letters(std::string_view a, std::string_view b);

inline bool equal_ignoring_case(std::string_view a, std::string_view b)
{
    return a.size() == b.size() && same_letters(a, b);
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix);

/// Whether it is one of these words.
bool equals_any_ignoring_case(std::string_view text, std::initializer_list<std::string_view> words);

/// Without spaces, tabs, CR and LF at both ends.
std::string_view trim(std::string_view text);

}  // namespace route
