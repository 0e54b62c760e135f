#pragma once

#include <cstdint>

namespace route {

/// Raises this process's soft limit of open descriptors to the hard one (RLIMIT_NOFILE, getrlimit(2)); what
/// it is then.
std::int64_t raise_descriptor_limit();

}  // namespace route
