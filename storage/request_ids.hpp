#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/record.hpp"

namespace route::storage {

/// The beginning all request_ids made at `time` share; for `>=` and `<`. request_id and created_at are taken
/// by two looks at the clock, so callers allow `request_id_slack` between them.
std::string request_id_prefix(SystemTime time);
inline constexpr std::chrono::minutes request_id_slack{1};

/// The least UUID that begins so: below every request_id made at `time` or later.
std::string least_request_id(SystemTime time);

/// The time a UUIDv7 begins with; the epoch for what is no UUID.
SystemTime time_of_request_id(std::string_view uuid);

/// Whether `text` is a UUID as it is written: 36 characters with hyphens.
bool is_uuid(std::string_view text);

/// The number, when an id that people give is one.
std::optional<std::int64_t> record_number(std::string_view text);

}  // namespace route::storage
