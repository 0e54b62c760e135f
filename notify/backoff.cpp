#include "notify/backoff.hpp"

#include <algorithm>

namespace route::notify {

using std::chrono::milliseconds;

std::optional<milliseconds> wait_before_next(const Retries& retries, unsigned tries, milliseconds since,
                                             std::optional<milliseconds> wanted, double random)
{
    const auto share = [random](milliseconds time) {
        return milliseconds{static_cast<milliseconds::rep>(static_cast<double>(time.count()) * random)};
    };
    auto wait = retries.first;
    for (unsigned i = 1; i < tries && wait < retries.longest; ++i)
        wait *= 2;
    wait = std::min(wait, retries.longest);
    wait = wait / 2 + share(wait / 2);
    if (since >= retries.give_up)
        return std::nullopt;
    const auto left = retries.give_up - since;
    if (wanted)
        return std::min(left, std::max(wait, std::min(*wanted, left) + share(retries.first)));
    return wait > left ? std::nullopt : std::optional{wait};
}

}  // namespace route::notify
