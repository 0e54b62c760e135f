#include "app/descriptor_limit.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

namespace route {

std::int64_t raise_descriptor_limit()
{
    constexpr rlim_t most = std::numeric_limits<std::int32_t>::max();
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return static_cast<std::int64_t>(most);
    const auto soft = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit.rlim_cur = soft;
    return static_cast<std::int64_t>(std::min(limit.rlim_cur, most));
}

std::int64_t clients_share(std::int64_t limit)
{
    constexpr std::int64_t own = 256;
    return std::max<std::int64_t>((limit - std::min(limit / 4, own)) / 2, 1);
}

}  // namespace route
