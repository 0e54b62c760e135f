#pragma once

#include <string>
#include <string_view>

#include "core/failover/upstream.hpp"

namespace route::storage {

/// Reads one of the JSON columns `allow`, `deny`, `rename`, `headers`, `set`, `unset` into `definition`. What
/// is not the JSON it should be is kept in `unreadable` as it is, so that the rest of the row can be shown
/// and changed.
void read_json_column(UpstreamDefinition& definition, const char* column, std::string_view text);

/// What is written there; of an unreadable one what was read.
std::string json_column(const UpstreamDefinition& definition, const char* column);

}  // namespace route::storage
