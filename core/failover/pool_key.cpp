#include "core/failover/pool_key.hpp"

#include <openssl/sha.h>

#include <cstring>
#include <string>

namespace route {

PoolKey pool_key(std::string_view origin, std::string_view proxy, std::uint64_t authorities)
{
    // No line break can be in any of them.
    auto text = std::to_string(authorities);
    text.append(1, '\n').append(origin).append(1, '\n').append(proxy);
    std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
    PoolKey key;
    static_assert(sizeof key.words == digest.size());
    std::memcpy(key.words.data(), digest.data(), digest.size());
    return key;
}

}  // namespace route
