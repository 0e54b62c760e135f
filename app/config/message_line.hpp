#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace route {

/// `text` as one line for people: control characters and bytes that are not UTF-8 escaped, backslashes left
/// alone, cut at `limit` bytes. What was made so before stays as it is, unlike with escape_for_log().
std::string message_line(std::string_view text, std::size_t limit = 1024);

}  // namespace route
