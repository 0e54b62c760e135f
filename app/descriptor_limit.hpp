#pragma once

#include <cstdint>

namespace route {

/// Raises this process's soft limit of open descriptors to the hard one (RLIMIT_NOFILE, getrlimit(2)); what
/// it is then.
std::int64_t raise_descriptor_limit();

/// How many of `limit` descriptors client connections may take: half of what event loops, databases and files
/// leave. Each may need one to an upstream.
std::int64_t clients_share(std::int64_t limit);

}  // namespace route
