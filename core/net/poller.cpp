#include "core/net/poller.hpp"

#include <boost/asio/post.hpp>
#include <cerrno>
#include <system_error>

namespace route::net {

namespace {

/// So many sockets are told of events, then others of the loop have their turn.
constexpr int most_told = 256;
/// The same of those told late: each has just read as much as it may in a row.
constexpr int most_told_late = 4;

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

error_code Poller::add(int socket, Watched& watched)
{
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = &watched;
    if (::epoll_ctl(epoll_.native_handle(), EPOLL_CTL_ADD, socket, &event) != 0)
        return {errno, boost::system::system_category()};
    return {};
}

void Poller::remove(Watched& watched)
{
    if (told_ == &watched)
        told_ = nullptr;
    if (watched.is_linked())
        watched.unlink();
    for (int i = next_; i < count_; ++i)
        if (events_[static_cast<std::size_t>(i)].data.ptr == &watched)
            events_[static_cast<std::size_t>(i)].data.ptr = nullptr;
}

void Poller::tell_later(Watched& watched)
{
    if (watched.is_linked())
        return;
    late_.push_back(watched);
    if (!std::exchange(late_posted_, true))
        asio::post(epoll_.get_executor(), [this] { tell_late(); });
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
        tell_all();
        wait();
    });
}

void Poller::tell_all()
{
    for (int told = 0; told < most_told; told += count_) {
        next_ = 0;
        count_ = ::epoll_wait(epoll_.native_handle(), events_.data(), batch, 0);
        if (count_ > 1)
            tell_first_ones();
        for (next_ = 0; next_ < count_;) {
            const auto& event = events_[static_cast<std::size_t>(next_++)];
            if (event.data.ptr != nullptr)
                tell(*static_cast<Watched*>(event.data.ptr), event.events);
        }
        // Where several came at once, more have come meanwhile.
        if (count_ < 2)
            break;
    }
    count_ = 0;
}

void Poller::tell_first_ones()
{
    for (int i = 0; i < count_; ++i) {
        auto& event = events_[static_cast<std::size_t>(i)];
        auto* watched = static_cast<Watched*>(event.data.ptr);
        if (watched == nullptr || !watched->first_)
            continue;
        event.data.ptr = nullptr;
        tell(*watched, event.events);
    }
}

/// Those told put themselves back as long as there is more to read: they are told again after everything else
/// of the loop had its turn.
void Poller::tell_late()
{
    decltype(late_) due;
    for (int taken = 0; taken < most_told_late && !late_.empty(); ++taken)
        due.splice(due.end(), late_, late_.begin());
    while (!due.empty()) {
        auto& watched = due.front();
        due.pop_front();
        tell(watched, EPOLLIN | EPOLLOUT);
    }
    late_posted_ = !late_.empty();
    if (late_posted_)
        asio::post(epoll_.get_executor(), [this] { tell_late(); });
}

void Poller::tell(Watched& watched, std::uint32_t events)
{
    told_ = &watched;
    watched.on_events(events);
    told_ = nullptr;
}

}  // namespace route::net
