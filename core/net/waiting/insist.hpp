#pragma once

#include <chrono>
#include <new>
#include <thread>

namespace route::net {

/// Calls `notify`, which another thread waits for, until there is the memory for it: else that would wait for
/// ever. No event says when there is memory again. For threads that serve nobody else; what else `notify`
/// throws ends the program.
template <class F>
void insist(F&& notify) noexcept
{
    constexpr std::chrono::milliseconds pause{10};
    for (;;) {
        try {
            notify();
            return;
        } catch (const std::bad_alloc&) {
            std::this_thread::sleep_for(pause);
        }
    }
}

}  // namespace route::net
