#include "core/client_key.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "core/hex_digit.hpp"

namespace route {

static_assert(std::tuple_size_v<KeyHash> == SHA256_DIGEST_LENGTH);

KeyHash hash_key(std::string_view key)
{
    KeyHash hash;
    SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), hash.data());
    return hash;
}

std::string to_hex(const KeyHash& hash)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(hash.size() * 2);
    for (const auto byte : hash) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

namespace {

}  // namespace

bool from_hex(std::string_view text, KeyHash& hash)
{
    KeyHash read{};
    if (text.size() != read.size() * 2)
        return false;
    for (std::size_t i = 0; i < read.size(); ++i) {
        const int high = hex_digit(text[2 * i]);
        const int low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        read[i] = static_cast<unsigned char>(high * 16 + low);
    }
    hash = read;
    return true;
}

const ClientKey* find_key(const std::vector<ClientKey>& keys, const KeyHash& hash)
{
    const ClientKey* found = nullptr;
    for (const auto& key : keys)
        if (CRYPTO_memcmp(key.hash.data(), hash.data(), hash.size()) == 0)
            found = &key;  // no early way out: the time must not tell which key it was
    return found;
}

}  // namespace route
