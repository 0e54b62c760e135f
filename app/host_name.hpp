#pragma once

#include <string>

namespace route {

/// This machine's name, which is the router's in records and messages.
std::string host_name();

}  // namespace route
