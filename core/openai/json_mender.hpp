#pragma once

#include <cstddef>
#include <span>

/// Damage inside the strings of a JSON text, mended in place and without changing its length, so that a
/// parser takes it. What is whole stays as it is.
namespace route::json {

/// U+FFFD stands for each lone surrogate (`\ud83d`), a blank for a backslash that begins no escape. Returns
/// how many bytes are settled: when there is `more` to come, an escape that is not whole has to be given
/// again with what follows it, at most `longest_escape` bytes.
std::size_t mend_escapes(std::span<char> text, bool more);
inline constexpr std::size_t longest_escape = 12;

/// A blank stands for each control character: outside of strings they mean the same.
void blank_controls(std::span<char> text);

}  // namespace route::json
