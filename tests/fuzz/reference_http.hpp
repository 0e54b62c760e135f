#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace route::fuzz {

/// HTTP/1.1 as RFC 9112 has it and no more, written apart from the product's parser: what that one takes,
/// this one must take, and understand in the same way.

/// A head: its first line and its fields, the names in lower case, the values without blanks at their ends.
struct Head
{
    std::string first;
    std::vector<std::pair<std::string, std::string>> fields;
    std::size_t size = 0;  ///< with its empty line

    std::size_t count(std::string_view name) const;
    std::string_view value(std::string_view name) const;  ///< of the first one, or ""
    bool has(std::string_view name) const { return count(name) > 0; }
    std::string_view word(std::size_t number) const;  ///< of the first line
};

/// The head at the start of `bytes`; nothing when it is malformed or not complete.
std::optional<Head> read_head(std::string_view bytes);

/// Whether no byte of a head could begin another line, or end a string early: CR and LF come in pairs, no
/// other control character but the tab.
bool clean_head(std::string_view head);

enum class BodyEnd
{
    whole,
    incomplete,
    broken
};

struct Body
{
    std::string content;
    std::size_t size = 0;  ///< bytes it takes
    BodyEnd end = BodyEnd::incomplete;
};

/// Decodes a chunked body with its trailers.
Body read_chunked(std::string_view bytes);

Body read_sized(std::string_view bytes, std::uint64_t length);

/// The body of a request with this head.
Body read_request_body(const Head& head, std::string_view bytes);

/// The body of a final reply with this head; `closed`: the bytes were all there is.
Body read_reply_body(const Head& head, std::string_view bytes, bool to_head_request, bool closed);

unsigned status_of(const Head& reply);

/// A whole decimal number, or nothing.
std::optional<std::uint64_t> number(std::string_view text);

}  // namespace route::fuzz
