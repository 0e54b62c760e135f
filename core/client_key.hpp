#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace route {

using KeyHash = std::array<unsigned char, 32>;

/// SHA-256 of a key as it is sent.
KeyHash hash_key(std::string_view key);

/// Lower-case hexadecimal, as in column `key_hash`; from_hex gives false for anything but 64 hex digits.
std::string to_hex(const KeyHash& hash);
bool from_hex(std::string_view text, KeyHash& hash);

/// A client key: only its hash is known.
struct ClientKey
{
    std::int64_t id = 0;
    std::string name;
    KeyHash hash{};
    std::string created_at = {};

    bool operator==(const ClientKey&) const = default;
};

/// The key whose hash is `hash`, or null; takes the same time whichever it is.
const ClientKey* find_key(const std::vector<ClientKey>& keys, const KeyHash& hash);

}  // namespace route
