#pragma once

#include <sys/epoll.h>

#include <boost/intrusive_ptr.hpp>
#include <cstdint>

#include "core/net/waiting/asio.hpp"

// With -DASIO_WAITS=ON in place of what poller.hpp has: the same, by Asio's own sockets.

namespace route::net {

class Poller;

/// A socket whose readiness is awaited. Once it was dispatched it is not known any more: the next wait begins
/// anew, and ends at once where the socket is ready.
class Pollable
{
  protected:
    Pollable() = default;
    ~Pollable() = default;

    /// There is no order to choose.
    void dispatch_first(bool) {}

    /// Whether a dispatch_later() is still to come.
    bool is_deferred() const;

  private:
    friend class Poller;
    struct Waits;
    friend void intrusive_ptr_add_ref(Waits* waits) noexcept;
    friend void intrusive_ptr_release(Waits* waits) noexcept;

    boost::intrusive_ptr<Waits> waits_;  ///< shared with the handlers that are still to come

    /// `events` as epoll_wait(2) gives them: EPOLLIN, EPOLLOUT. May destroy this.
    virtual void on_events(std::uint32_t events) = 0;
};

/// The readiness of an event loop's sockets, by async_wait() of each: a system call (EPOLL_CTL_MOD) a wait.
/// At most one wait a direction is pending: one whose waiter has left goes on for the next one. One thread:
/// the loop's.
class Poller
{
  public:
    /// Nothing is dispatched that was not awaited, and in the order in which epoll has it.
    static constexpr bool dispatches_unasked = false;

    explicit Poller(const Executor& executor) : work_{executor} {}
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    /// Takes over `socket` (connected or connecting), unless there is an error: then it stays the caller's.
    error_code add(int socket, Pollable& pollable);

    /// Closes it.
    void close(int socket, Pollable& pollable);

    /// No event goes to `pollable` any more. To be called before it is destroyed.
    void remove(Pollable& pollable);

    /// Its next readiness is dispatched.
    void await_read(Pollable& pollable);
    void await_write(Pollable& pollable);

    /// That it can be read is dispatched after a while: for one that has bytes which are left unread.
    void await_later(Pollable& pollable);

    /// Dispatches to it soon, through the loop, that it can be read and written.
    void dispatch_later(Pollable& pollable);

    /// Whether an event is being dispatched to `pollable` right now, and it was not removed meanwhile.
    bool dispatching(const Pollable* pollable) const { return dispatched_ == pollable; }

    /// The loop can run out of work.
    void stop() { work_.reset(); }

  private:
    struct Ready;
    void dispatch(Pollable& pollable, std::uint32_t events);

    WorkGuard work_;
    Pollable* dispatched_ = nullptr;
};

}  // namespace route::net
