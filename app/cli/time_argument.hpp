#pragma once

#include <string_view>

#include "core/record.hpp"
#include "core/result.hpp"

namespace route::cli {

/// A point in time as people write it: RFC 3339 (`2026-01-31T12:00:00.5+08:00`; without an offset it is UTC,
/// a blank may stand for the `T`), a date (its beginning, UTC), or a duration before `now` (`30m`, `2h`,
/// `7d`).
Result<SystemTime> parse_time(std::string_view text, SystemTime now);

}  // namespace route::cli
