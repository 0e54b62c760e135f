#include "core/net/transport/connection_pool.hpp"

namespace route::net {

std::unique_ptr<Connection> ConnectionPool::take(const PoolKey& key)
{
    const auto found = idle_.find(key);
    if (found == idle_.end() || found->second.empty())
        return nullptr;
    auto& list = found->second;
    auto& idle = *list.front();
    auto connection = std::move(idle.connection);
    connection->stop_listening();
    connection->set_idle(false);
    idle.deadline.cancel();
    spare_.splice(spare_.begin(), list, list.begin());
    return connection;
}

bool ConnectionPool::close_all()
{
    const bool closes = !idle_.empty();
    idle_.clear();
    return closes;
}

void ConnectionPool::put(const PoolKey& key, std::unique_ptr<Connection> connection, std::size_t limit,
                         Clock::duration idle_timeout)
{
    if (limit == 0 || key.none())
        return;
    auto& list = idle_[key];
    if (spare_.empty())
        spare_.push_back(std::make_unique<Idle>(*this));
    list.splice(list.begin(), spare_, spare_.begin());
    auto& idle = *list.front();
    idle.key = key;
    idle.place = list.begin();
    idle.connection = std::move(connection);
    idle.deadline.expire_at(Clock::now() + idle_timeout);
    idle.connection->set_idle(true);
    wait_until_readable(idle);
    if (list.size() > limit)
        remove(*list.back());
}

/// Inside TLS it may be a session ticket that comes; anything else ends the connection's use.
void ConnectionPool::wait_until_readable(Idle& idle)
{
    idle.connection->async_wait_readable([this, &idle](error_code) {
        const auto read = idle.connection->read_some(scratch_.bytes.data(), Scratch::size);
        if (read.must_wait())
            wait_until_readable(idle);
        else
            remove(idle);
    });
}

void ConnectionPool::remove(Idle& idle)
{
    const auto connection = std::move(idle.connection);
    idle.deadline.cancel();
    const auto list = idle_.find(idle.key);
    spare_.splice(spare_.begin(), list->second, idle.place);
    // Keys of former routing tables leave nothing behind. In take() the list stays: it is needed again soon.
    if (list->second.empty())
        idle_.erase(list);
}

}  // namespace route::net
