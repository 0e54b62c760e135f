#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>

#include "core/net/loop/routing_table.hpp"
#include "core/net/loop/services.hpp"
#include "core/net/loop/strangers.hpp"
#include "core/net/transport/connection_pool.hpp"
#include "core/net/transport/resolver.hpp"
#include "core/net/waiting/asio.hpp"
#include "core/net/waiting/deadline.hpp"
#include "core/net/waiting/scratch.hpp"

namespace route::net {

/// Something of an event loop that ends when the loop is told to stop: sessions.
class Stoppable
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
{
  public:
    /// No new work: what waits for a next request closes, what is being answered says `Connection: close`.
    virtual void drain() = 0;
    /// Ends at once.
    virtual void stop() = 0;

  protected:
    ~Stoppable() = default;
};

/// What `GET /v1/models` was answered with.
struct KeptModelList
{
    explicit KeptModelList(asio::io_context& io) : asked{io.get_executor(), TimePoint::max()} {}

    std::weak_ptr<const RoutingTable> table;  ///< whose upstreams were asked
    TimePoint until;
    std::shared_ptr<const std::string> json;
    bool asking = false;  ///< a request asks for it
    Timer asked;          ///< cancelled when it has
};

/// One thread's world: its connections, pools, timers and its view of the routing table. A request never
/// leaves it, and nothing in it takes a lock. post() is the only way in from other threads.
class EventLoop
{
  public:
    EventLoop(Services& shared, RoutingTablePtr table);
    ~EventLoop();

    /// Runs until stop() and the end of all sessions.
    void run() { io.run(); }

    /// Begins `work` on this loop; `done` is called there when it has ended, with what it threw.
    void spawn(awaitable<void> work, std::function<void(const std::exception_ptr&)> done);

    /// From any thread: runs `work` on this loop.
    void post(std::function<void()> work);

    void drain();
    void stop();
    bool stopped() const { return stopped_; }  ///< of the loop's thread

    /// No new requests: true on all loops at once, before any of them was told to drain().
    bool draining() const { return services.draining.load(std::memory_order_relaxed); }

    /// What may be held in memory at the moment. Records that wait to be written take half of it at most:
    /// while they cannot be written requests are served all the same. A key or address takes half at most, or
    /// one whole body.
    BufferLimits buffer_limits(const ServerSettings& server) const;

    std::uint64_t random() { return random_(); }

    /// An empty record, out of those that were written where there are some.
    std::unique_ptr<QueuedRecord> new_record();

    asio::io_context io;
    Services& services;
    RoutingTablePtr routing;
    Scratch scratch;
    std::string head_buffer;  ///< for a head under construction: valid until the next suspension
    Poller poller;
    Deadlines deadlines;
    Resolver resolver;
    ConnectionPool pool;
    Strangers strangers;
    std::array<KeptModelList, 2> model_lists{KeptModelList{io},
                                             KeptModelList{io}};  ///< OpenAI's clients', Anthropic's
    boost::intrusive::list<Stoppable, boost::intrusive::constant_time_size<false>> sessions;

  private:
    bool stopped_ = false;
    RecordChain spares_;
    std::mt19937_64 random_;
};

}  // namespace route::net
