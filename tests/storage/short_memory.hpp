#pragma once

#include <cstddef>

namespace route::test {

/// While it lives, operator new fails in this process for more than `most` bytes at once.
class ShortMemory
{
  public:
    explicit ShortMemory(std::size_t most);
    ~ShortMemory();
    ShortMemory(const ShortMemory&) = delete;
    ShortMemory& operator=(const ShortMemory&) = delete;
};

}  // namespace route::test
