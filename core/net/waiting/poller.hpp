#pragma once

#include <sys/epoll.h>

#include <array>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>

#include "core/net/waiting/asio.hpp"

namespace route::net {

class Poller;

/// A socket whose readiness a Poller dispatches, each change once (edge-triggered, epoll(7)): it is to be
/// remembered until a read or write would block.
class Pollable
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
{
  protected:
    ~Pollable() = default;

    /// Its events are dispatched before those of others that came at the same time.
    void dispatch_first(bool first) { first_ = first; }

  private:
    friend class Poller;
    bool first_ = false;

    /// `events` as epoll_wait(2) gives them. May destroy this.
    virtual void on_events(std::uint32_t events) = 0;
};

/// The readiness of an event loop's sockets: one epoll instance inside that of the io_context. A socket is
/// registered once for its life; Asio's own waits cost a system call (EPOLL_CTL_MOD) each. One thread: the
/// loop's.
class Poller
{
  public:
    explicit Poller(const Executor& executor);
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    /// From now on events of `socket` (connected or connecting) go to `pollable`. Closing the socket ends
    /// that.
    error_code add(int socket, Pollable& pollable);

    /// No event goes to `pollable` any more, not even one already received. To be called before it is
    /// destroyed.
    void remove(Pollable& pollable);

    /// Dispatches to it soon, through the loop, that it can be read and written.
    void dispatch_later(Pollable& pollable);

    /// Whether an event is being dispatched to `pollable` right now, and it was not removed meanwhile.
    bool dispatching(const Pollable* pollable) const { return dispatched_ == pollable; }

    /// Drops the pending wait, so that the loop can run out of work.
    void stop();

  private:
    static constexpr int batch = 128;

    void wait();
    void dispatch_ready();
    void dispatch_idle_ones();
    void dispatch_deferred();
    void dispatch(Pollable& pollable, std::uint32_t events);

    boost::asio::posix::basic_stream_descriptor<Executor> epoll_;
    std::array<epoll_event, batch> events_;
    int next_ = 0;   ///< of events_
    int count_ = 0;  ///< in events_
    Pollable* dispatched_ = nullptr;
    boost::intrusive::list<Pollable, boost::intrusive::constant_time_size<false>> deferred_;
    bool deferred_posted_ = false;
};

}  // namespace route::net
