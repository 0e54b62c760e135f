#pragma once

#include <cstddef>

// A sanitizer brings its own operator new.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ROUTE_SANITIZED 1
#endif
#endif

namespace route::test {

/// While it lives, operator new fails in this process for more than `most` bytes at once.
class ShortMemory
{
  public:
#ifdef ROUTE_SANITIZED
    static constexpr bool works = false;
#else
    static constexpr bool works = true;
#endif

    explicit ShortMemory(std::size_t most);
    ~ShortMemory();
    ShortMemory(const ShortMemory&) = delete;
    ShortMemory& operator=(const ShortMemory&) = delete;
};

}  // namespace route::test
