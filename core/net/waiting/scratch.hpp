#pragma once

#include <array>
#include <cstddef>

namespace route::net {

/// Bytes that every read of an event loop goes through: valid until the next suspension, copied to the heap
/// only before one.
struct Scratch
{
    static constexpr std::size_t size = 64u << 10;
    std::array<char, size> bytes;
};

/// The longest head that is taken, of a request or a reply.
constexpr std::size_t max_head_bytes = Scratch::size;

}  // namespace route::net
