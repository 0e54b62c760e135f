#include "storage/postgres/watchdog.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace route::storage {

Watchdog::Watchdog(int socket) : socket_{::fcntl(socket, F_DUPFD_CLOEXEC, 0)}
{
    if (socket_ < 0)
        throw std::system_error{errno, std::generic_category(), "a connection can not be watched"};
    thread_ = std::jthread{[this](const std::stop_token& stop) { run(stop); }};
}

Watchdog::~Watchdog()
{
    thread_.request_stop();
    thread_.join();
    if (socket_ >= 0)
        ::close(socket_);
}

void Watchdog::arm(Milliseconds bound)
{
    const std::lock_guard lock{mutex_};
    deadline_ = std::chrono::steady_clock::now() + bound;
    changed_.notify_one();
}

void Watchdog::disarm()
{
    const std::lock_guard lock{mutex_};
    deadline_.reset();
}

void Watchdog::bite()
{
    const std::lock_guard lock{mutex_};
    bit_ = true;
    deadline_.reset();
    ::shutdown(socket_, SHUT_RDWR);
}

bool Watchdog::bit()
{
    const std::lock_guard lock{mutex_};
    return bit_;
}

void Watchdog::run(const std::stop_token& stop)
{
    std::unique_lock lock{mutex_};
    while (!stop.stop_requested()) {
        if (!deadline_) {
            changed_.wait(lock, stop, [this] { return deadline_.has_value(); });
            continue;
        }
        if (const auto until = *deadline_; std::chrono::steady_clock::now() < until) {
            changed_.wait_until(lock, stop, until, [this, until] { return deadline_ != until; });
            continue;
        }
        bit_ = true;
        deadline_.reset();
        ::shutdown(socket_, SHUT_RDWR);
    }
}

}  // namespace route::storage
