#include "app/client_key_maker.hpp"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace route {

std::string make_client_key()
{
    std::array<unsigned char, 32> random{};
    if (RAND_bytes(random.data(), static_cast<int>(random.size())) != 1)
        throw std::runtime_error{"the system gives no random numbers"};
    std::array<unsigned char, 45> text{};
    EVP_EncodeBlock(text.data(), random.data(), static_cast<int>(random.size()));
    std::string key{text.begin(), text.begin() + 43};
    std::replace(key.begin(), key.end(), '+', '-');
    std::replace(key.begin(), key.end(), '/', '_');
    return "sk-route-" + key;
}

}  // namespace route
