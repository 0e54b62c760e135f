#include "core/net/connection_pool.hpp"

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

void ConnectionPool::put(const PoolKey& key, std::unique_ptr<Connection> connection, std::size_t limit,
                         Clock::duration idle_timeout)
{
    if (limit == 0 || key.none())
        return;
    auto& list = idle_[key];
    if (spare_.empty())
        spare_.push_back(std::make_unique<Idle>(*this, deadlines_));
    list.splice(list.begin(), spare_, spare_.begin());
    auto& idle = *list.front();
    idle.key = key;
    idle.place = list.begin();
    idle.connection = std::move(connection);
    idle.deadline.expire_at(Clock::now() + idle_timeout);
    idle.connection->set_idle(true);
    idle.connection->listen(&on_readable, &idle);
    if (list.size() > limit)
        remove(*list.back());
}

void ConnectionPool::on_readable(void* target)
{
    auto& idle = *static_cast<Idle*>(target);
    auto& pool = idle.pool;
    // Inside TLS it may be a session ticket; anything else ends the connection's use.
    const auto read = idle.connection->read_some(pool.scratch_.bytes.data(), Scratch::size);
    if (read.must_wait())
        idle.connection->listen(&on_readable, &idle);
    else
        pool.remove(idle);
}

void ConnectionPool::on_deadline(void* target)
{
    auto& idle = *static_cast<Idle*>(target);
    idle.pool.remove(idle);
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
