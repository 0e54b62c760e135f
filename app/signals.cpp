#include "app/signals.hpp"

#include <pthread.h>

#include <ctime>

namespace route {

Signals::Signals(std::initializer_list<int> numbers)
{
    sigemptyset(&set_);
    for (const int number : numbers)
        sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

int Signals::wait()
{
    int number = 0;
    while (sigwait(&set_, &number) != 0) {
    }
    return number;
}

int Signals::wait(std::chrono::milliseconds bound)
{
    timespec time{};
    time.tv_sec = bound.count() / 1000;
    time.tv_nsec = (bound.count() % 1000) * 1'000'000;
    const int number = sigtimedwait(&set_, nullptr, &time);
    return number < 0 ? 0 : number;
}

}  // namespace route
