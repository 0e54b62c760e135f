#include "core/client_key.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "core/hex_digit.hpp"
#include "core/id_hash.hpp"

namespace route {

static_assert(std::tuple_size_v<KeyHash> == SHA256_DIGEST_LENGTH);

namespace {

std::array<unsigned char, SHA256_DIGEST_LENGTH> sha256(std::string_view text)
{
    std::array<unsigned char, SHA256_DIGEST_LENGTH> hash;
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
    return hash;
}

}  // namespace

KeyHash hash_key(std::string_view key)
{
    return sha256(key);
}

IdHash hash_id(std::string_view id)
{
    return sha256(id);
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
