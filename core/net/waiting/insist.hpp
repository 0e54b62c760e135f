#pragma once

#include <chrono>
#include <new>
#include <thread>

namespace route::net {

/// Calls `tell`, which another thread waits for, until there is the memory for it: untold, that would wait
/// for ever. For threads that serve nobody else; what else `tell` throws ends the program.
template <class F>
void insist(F&& tell) noexcept
{
    constexpr std::chrono::milliseconds pause{10};
    for (;;) {
        try {
            tell();
            return;
        } catch (const std::bad_alloc&) {
            std::this_thread::sleep_for(pause);
        }
    }
}

}  // namespace route::net
