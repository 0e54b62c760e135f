#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/record.hpp"

namespace route {

/// The pieces of a line of the log. Text from outside is escaped and cut at 256 bytes.

void append(fmt::memory_buffer& out, std::string_view text);

/// Milliseconds with three decimals.
void append_ms(fmt::memory_buffer& out, Nanoseconds time);

/// `NAME` and the value, in quotes where it holds blanks or quotes; nothing at all for an empty value.
void text_field(fmt::memory_buffer& out, std::string_view name, std::string_view value);

/// `{"time":…,"level":…,"msg":…`
void begin_json(fmt::memory_buffer& out, SystemTime time, std::string_view level, std::string_view msg);

/// `,"NAME":` and the value; `null` for none, and for an empty text.
void json_text(fmt::memory_buffer& out, std::string_view name, std::string_view value);
void json_number(fmt::memory_buffer& out, std::string_view name, std::optional<std::int64_t> value);
void json_ms(fmt::memory_buffer& out, std::string_view name, std::optional<Nanoseconds> value);

}  // namespace route
