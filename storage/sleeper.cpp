#include "storage/sleeper.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <system_error>

namespace route::storage {

Sleeper::Sleeper() : event_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)}
{
    if (event_ < 0)
        throw std::system_error{errno, std::generic_category(), "eventfd"};
}

Sleeper::~Sleeper()
{
    ::close(event_);
}

void Sleeper::wait(TimePoint until)
{
    using namespace std::chrono;
    const auto now = steady_clock::now();
    // Rounded up, lest the last millisecond be spent in turning round; the bound keeps it in poll's range.
    const auto left = until <= now ? milliseconds{0} : ceil<milliseconds>(until - now);
    const auto timeout = std::min(left, milliseconds{hours{24}});
    pollfd waited{event_, POLLIN, 0};
    if (::poll(&waited, 1, static_cast<int>(timeout.count())) > 0) {
        std::uint64_t calls = 0;
        [[maybe_unused]] const auto read = ::read(event_, &calls, sizeof calls);
    }
}

void Sleeper::signal()
{
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(event_, &one, sizeof one);
}

}  // namespace route::storage
