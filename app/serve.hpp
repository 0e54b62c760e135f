#pragma once

#include <string>

#include "app/config/config_file.hpp"

namespace route {

/// Serves until SIGTERM or SIGINT; the exit code. `program` is how this program was called, for the hints at
/// its start.
int serve(const ServeOptions& options, const std::string& program);

}  // namespace route
