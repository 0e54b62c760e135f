#pragma once

#include <list>
#include <memory>
#include <unordered_map>

#include "core/net/connection.hpp"
#include "core/net/deadline.hpp"
#include "core/net/scratch.hpp"
#include "core/pool_key.hpp"

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

    void close_all() { idle_.clear(); }

  private:
    struct Idle;
    using IdleList = std::list<std::unique_ptr<Idle>>;

    static void on_readable(void* target);
    static void on_deadline(void* target);
    void remove(Idle& idle);

    Deadlines& deadlines_;
    Scratch& scratch_;
    std::unordered_map<PoolKey, IdleList, PoolKey::Hash> idle_;
    IdleList spare_;  ///< nodes to be used again
};

struct ConnectionPool::Idle
{
    Idle(ConnectionPool& the_pool, Deadlines& deadlines)
        : pool{the_pool}, deadline{deadlines, &on_deadline, this}
    {
    }

    ConnectionPool& pool;
    Deadline deadline;
    std::unique_ptr<Connection> connection;
    PoolKey key;  ///< of the list it stands in
    IdleList::iterator place;
};

}  // namespace route::net
