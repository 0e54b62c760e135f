#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace route {

/// Tells apart kept connections that must not stand in for each other: a SHA-256 of all that makes them
/// differ, computed once per routing table so that a request compares 32 bytes. The default is no key, under
/// which nothing is kept.
struct PoolKey
{
    std::array<std::uint64_t, 4> words{};

    bool none() const { return *this == PoolKey{}; }
    bool operator==(const PoolKey&) const = default;

    struct Hash
    {
        std::size_t operator()(const PoolKey& key) const { return key.words[0]; }
    };
};

/// `origin`: scheme and authority the connection leads to. `proxy`: what it leads through, with its
/// credentials; "" for none. `authorities`: a number for the set of authorities its peer was verified with; 0
/// for a plain connection.
PoolKey pool_key(std::string_view origin, std::string_view proxy, std::uint64_t authorities);

}  // namespace route
