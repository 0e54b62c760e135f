#pragma once

#include <string_view>

#include "core/http/header_fields.hpp"

namespace route {

/// The trace-id of a `traceparent` (W3C Trace Context 3.2.2, 3.2.4): 32 hexadecimal digits in lower case.
/// Empty when the value is not valid; of a version that is newer than 00, what a 00 would have is looked at.
std::string_view trace_id(std::string_view traceparent);

/// The same of a head's only `traceparent`; empty when there is none, or more than one.
std::string_view trace_id(const HeaderFields& fields);

}  // namespace route
