#include "core/net/nobody.hpp"

namespace route::net {

awaitable<void> Nobody::gone()
{
    timer_.expires_at(TimePoint::max());
    auto waiting = timer_.async_wait(no_throw);
    co_await std::move(waiting);
}

}  // namespace route::net
