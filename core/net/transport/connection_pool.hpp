#pragma once

#include <list>
#include <memory>
#include <unordered_map>

#include "core/failover/pool_key.hpp"
#include "core/net/transport/connection.hpp"
#include "core/net/waiting/deadline.hpp"
#include "core/net/waiting/scratch.hpp"

namespace route::net {

/// Idle connections to upstreams, kept by what makes them interchangeable. The most recently used is taken
/// first; one that becomes readable while idle (closed, or bytes nobody asked for) is dropped at once. One
/// per event loop.
class ConnectionPool
{
  public:
    ConnectionPool(Deadlines& deadlines, Scratch& scratch) : deadlines_{deadlines}, scratch_{scratch} {}

    /// An idle connection, or null.
    std::unique_ptr<Connection> take(const PoolKey& key);

    /// Keeps it for `idle_timeout`, unless `limit` are kept under that key already: the oldest then goes.
    void put(const PoolKey& key, std::unique_ptr<Connection> connection, std::size_t limit,
             Clock::duration idle_timeout);

    /// Whether there was one to close.
    bool close_all();

  private:
    struct Idle;
    using IdleList = std::list<std::unique_ptr<Idle>>;

    void wait_until_readable(Idle& idle);
    void remove(Idle& idle);

    Deadlines& deadlines_;
    Scratch& scratch_;
    std::unordered_map<PoolKey, IdleList, PoolKey::Hash> idle_;
    IdleList spare_;  ///< nodes to be used again
};

struct ConnectionPool::Idle final : private Expiring
{
    explicit Idle(ConnectionPool& the_pool) : pool{the_pool}, deadline{the_pool.deadlines_, *this} {}

    ConnectionPool& pool;
    Deadline deadline;
    std::unique_ptr<Connection> connection;
    PoolKey key;  ///< of the list it stands in
    IdleList::iterator place;

  private:
    void on_expired() override { pool.remove(*this); }
};

}  // namespace route::net
