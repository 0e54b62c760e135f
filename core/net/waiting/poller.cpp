#include "core/net/waiting/poller.hpp"

#include <boost/asio/post.hpp>
#include <cerrno>
#include <system_error>

namespace route::net {

namespace {

/// So many events are dispatched in a row, then others of the loop have their turn.
constexpr int most_dispatched = 256;
/// The same of deferred ones: each socket has just read as much as it may in a row.
constexpr int most_deferred = 4;

int make_epoll()
{
    const int made = ::epoll_create1(EPOLL_CLOEXEC);
    if (made < 0)
        throw std::system_error{errno, std::generic_category(), "epoll_create1"};
    return made;
}

}  // namespace

Poller::Poller(const Executor& executor) : epoll_{executor, make_epoll()}
{
    wait();
}

error_code Poller::add(int socket, Pollable& pollable)
{
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &pollable;
    if (::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, socket, &event) != 0)
        return {errno, boost::system::system_category()};
    return {};
}

void Poller::remove(Pollable& pollable)
{
    if (dispatched_ == &pollable)
        dispatched_ = nullptr;
    if (pollable.is_linked())
        pollable.unlink();
    for (int i = next_; i < count_; ++i)
        if (events_[static_cast<std::size_t>(i)].data.ptr == &pollable)
            events_[static_cast<std::size_t>(i)].data.ptr = nullptr;
}

void Poller::dispatch_later(Pollable& pollable)
{
    if (pollable.is_linked())
        return;
    deferred_.push_back(pollable);
    if (!std::exchange(deferred_posted_, true))
        asio::post(epoll_.get_executor(), [this] { dispatch_deferred(); });
}

void Poller::stop()
{
    error_code ignored;
    epoll_.cancel(ignored);
}

void Poller::wait()
{
    epoll_.async_wait(asio::posix::descriptor_base::wait_read, [this](error_code error) {
        if (error)
            return;
        dispatch_ready();
        wait();
    });
}

void Poller::dispatch_ready()
{
    for (int dispatched = 0; dispatched < most_dispatched; dispatched += count_) {
        next_ = 0;
        count_ = ::epoll_wait(epoll_.native_handle(), events_.data(), batch, 0);
        if (count_ > 1)
            dispatch_idle_ones();
        for (next_ = 0; next_ < count_;) {
            const auto& event = events_[static_cast<std::size_t>(next_++)];
            if (event.data.ptr != nullptr)
                dispatch(*static_cast<Pollable*>(event.data.ptr), event.events);
        }
        // Where several came at once, more have come meanwhile.
        if (count_ < 2)
            break;
    }
    count_ = 0;
}

void Poller::dispatch_idle_ones()
{
    for (int i = 0; i < count_; ++i) {
        auto& event = events_[static_cast<std::size_t>(i)];
        auto* pollable = static_cast<Pollable*>(event.data.ptr);
        if (pollable == nullptr || !pollable->first_)
            continue;
        event.data.ptr = nullptr;
        dispatch(*pollable, event.events);
    }
}

/// Sockets put themselves back as long as there is more to read: they are dispatched again after everything
/// else of the loop had its turn.
void Poller::dispatch_deferred()
{
    decltype(deferred_) due;
    for (int taken = 0; taken < most_deferred && !deferred_.empty(); ++taken)
        due.splice(due.end(), deferred_, deferred_.begin());
    while (!due.empty()) {
        auto& pollable = due.front();
        due.pop_front();
        dispatch(pollable, EPOLLIN | EPOLLOUT);
    }
    deferred_posted_ = !deferred_.empty();
    if (deferred_posted_)
        asio::post(epoll_.get_executor(), [this] { dispatch_deferred(); });
}

void Poller::dispatch(Pollable& pollable, std::uint32_t events)
{
    dispatched_ = &pollable;
    pollable.on_events(events);
    dispatched_ = nullptr;
}

}  // namespace route::net
