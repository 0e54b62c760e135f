#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "core/record.hpp"

namespace route {

/// `2026-01-31T12:00:00.123Z`: UTC, fixed width, so that text order is time order. Years outside 0 to 9999
/// become the nearest of these.
using TimestampText = std::array<char, 24>;
TimestampText timestamp_text(SystemTime time);
std::string format_timestamp(SystemTime time);

/// Reads what format_timestamp() wrote and what Go wrote (`2023-11-08 12:00:00.123456789+08:00`, also ` +0800
/// CST`): `T` or a space, any fraction, `Z` or an offset (UTC without one), the rest is ignored. Nothing when
/// it is no time.
std::optional<SystemTime> parse_timestamp(std::string_view text);

}  // namespace route
