#include "core/net/waiting/asio_poller.hpp"

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <new>
#include <utility>

namespace route::net {

/// What outlives a Pollable until the last of its handlers has come: Asio cannot withdraw one that is due.
struct Pollable::Waits
{
    Waits(const Executor& executor, Pollable& the_pollable) : socket{executor}, pollable{&the_pollable} {}

    asio::basic_stream_socket<tcp, Executor> socket;
    Pollable* pollable;  ///< null: it is gone
    std::unique_ptr<Timer> timer;
    unsigned references = 0;
    bool reads = false;  ///< a wait is pending
    bool writes = false;
    bool later = false;
    bool deferred = false;
};

void intrusive_ptr_add_ref(Pollable::Waits* waits) noexcept
{
    ++waits->references;
}

void intrusive_ptr_release(Pollable::Waits* waits) noexcept
{
    if (--waits->references == 0)
        delete waits;
}

bool Pollable::is_deferred() const
{
    return waits_ && waits_->deferred;
}

struct Poller::Ready
{
    void operator()(error_code error) const
    {
        waits.get()->*pending = false;
        if (!error && waits->pollable != nullptr)
            poller.dispatch(*waits->pollable, events);
    }
    void operator()() const { (*this)(error_code{}); }

    Poller& poller;
    boost::intrusive_ptr<Pollable::Waits> waits;
    bool Pollable::Waits::* pending;
    std::uint32_t events;
};

error_code Poller::add(int socket, Pollable& pollable)
{
    error_code error;
    try {
        pollable.waits_ = new Pollable::Waits{work_.get_executor(), pollable};
        // Which version of IP matters to its endpoints only.
        pollable.waits_->socket.assign(tcp::v4(), socket, error);
    } catch (const std::bad_alloc&) {
        error = asio::error::no_memory;
    }
    return error;
}

void Poller::close(int, Pollable& pollable)
{
    error_code ignored;
    pollable.waits_->socket.close(ignored);
    pollable.waits_->timer.reset();
}

void Poller::remove(Pollable& pollable)
{
    if (dispatched_ == &pollable)
        dispatched_ = nullptr;
    if (pollable.waits_)
        pollable.waits_->pollable = nullptr;
}

void Poller::await_read(Pollable& pollable)
{
    auto& waits = *pollable.waits_;
    if (waits.deferred || waits.reads || !waits.socket.is_open())
        return;
    Ready ready{*this, pollable.waits_, &Pollable::Waits::reads, EPOLLIN};
    waits.socket.async_wait(tcp::socket::wait_read, std::move(ready));
    waits.reads = true;
}

void Poller::await_write(Pollable& pollable)
{
    auto& waits = *pollable.waits_;
    if (waits.deferred || waits.writes || !waits.socket.is_open())
        return;
    Ready ready{*this, pollable.waits_, &Pollable::Waits::writes, EPOLLOUT};
    waits.socket.async_wait(tcp::socket::wait_write, std::move(ready));
    waits.writes = true;
}

void Poller::await_later(Pollable& pollable)
{
    constexpr std::chrono::milliseconds pause{100};
    auto& waits = *pollable.waits_;
    if (waits.later || !waits.socket.is_open())
        return;
    if (!waits.timer)
        waits.timer = std::make_unique<Timer>(work_.get_executor());
    waits.timer->expires_after(pause);
    Ready ready{*this, pollable.waits_, &Pollable::Waits::later, EPOLLIN};
    waits.timer->async_wait(std::move(ready));
    waits.later = true;
}

void Poller::dispatch_later(Pollable& pollable)
{
    auto& waits = *pollable.waits_;
    if (waits.deferred)
        return;
    Ready ready{*this, pollable.waits_, &Pollable::Waits::deferred, EPOLLIN | EPOLLOUT};
    asio::post(work_.get_executor(), std::move(ready));
    waits.deferred = true;
}

void Poller::dispatch(Pollable& pollable, std::uint32_t events)
{
    dispatched_ = &pollable;
    pollable.on_events(events);
    dispatched_ = nullptr;
}

}  // namespace route::net
