#include "tests/storage/short_memory.hpp"

#include <atomic>
#include <cstdlib>
#include <limits>
#include <new>

namespace {

constexpr auto no_limit = std::numeric_limits<std::size_t>::max();

std::atomic<std::size_t> most_at_once{no_limit};

}  // namespace

#ifndef ROUTE_SANITIZED
void* operator new(std::size_t bytes)
{
    auto* memory = bytes > most_at_once ? nullptr : std::malloc(bytes > 0 ? bytes : 1);
    if (memory == nullptr)
        throw std::bad_alloc{};
    return memory;
}

void operator delete(void* memory) noexcept
{
    std::free(memory);
}

void operator delete(void* memory, std::size_t) noexcept
{
    std::free(memory);
}
#endif

namespace route::test {

ShortMemory::ShortMemory(std::size_t most)
{
    most_at_once = most;
}

ShortMemory::~ShortMemory()
{
    most_at_once = no_limit;
}

}  // namespace route::test
