#pragma once

#include <sys/epoll.h>

#include <array>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>

#include "core/net/asio.hpp"

namespace route::net {

class Poller;

/// A socket whose readiness a Poller tells. Told of a change once (edge-triggered, epoll(7)): who is told
/// remembers it until a read or write would block.
class Watched
    : public boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
{
  protected:
    ~Watched() = default;

    /// Told before the others of which events came with its own.
    void tell_first(bool first) { first_ = first; }

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

    /// From now on `watched` is told of `socket` (connected or connecting). Closing the socket ends that.
    error_code add(int socket, Watched& watched);

    /// No event is told to `watched` any more, not even one already received. To be called before it is
    /// destroyed.
    void remove(Watched& watched);

    /// Tells it soon, through the loop, that it can be read and written.
    void tell_later(Watched& watched);

    /// Whether `watched` is being told of events right now, and was not removed meanwhile.
    bool telling(const Watched* watched) const { return told_ == watched; }

    /// Drops the pending wait, so that the loop can run out of work.
    void stop();

  private:
    static constexpr int batch = 128;

    void wait();
    void tell_all();
    void tell_first_ones();
    void tell_late();
    void tell(Watched& watched, std::uint32_t events);

    boost::asio::posix::basic_stream_descriptor<Executor> epoll_;
    std::array<epoll_event, batch> events_;
    int next_ = 0;   ///< of events_
    int count_ = 0;  ///< in events_
    Watched* told_ = nullptr;
    boost::intrusive::list<Watched, boost::intrusive::constant_time_size<false>> late_;
    bool late_posted_ = false;
};

}  // namespace route::net
