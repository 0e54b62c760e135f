#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace route {

/// A UUIDv7 (RFC 9562 5.7) in its 36 characters: milliseconds of `now`, then 74 of the given random bits.
std::string uuid_v7(std::chrono::system_clock::time_point now, std::uint64_t random_a,
                    std::uint64_t random_b);

/// The same in place of `text`, whose memory is used.
void write_uuid_v7(std::string& text, std::chrono::system_clock::time_point now, std::uint64_t random_a,
                   std::uint64_t random_b);

}  // namespace route
