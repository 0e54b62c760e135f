#pragma once

#include <string>
#include <string_view>

#include "core/result.hpp"

namespace route {

/// Refuses a setting whose feature this version does not have: the key is known, its default is fine, any
/// other value would do nothing. `key` is the full one ("server.certificate"), `value` its text.
Result<void> check_available(std::string_view key, std::string_view value);

}  // namespace route
