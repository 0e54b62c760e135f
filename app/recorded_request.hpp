#pragma once

#include <string>

#include "core/record.hpp"

namespace route {

/// Why a recorded request cannot be sent again, for people; "" when it can.
std::string reason_not_sendable(const Record& record);

/// The Content-Type its body had, as far as that shows in it; "" when it does not.
std::string content_type_of(const Record& record);

}  // namespace route
