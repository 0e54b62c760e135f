#include "core/net/transport/name_lookup.hpp"

#include <netdb.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/system/error_category.hpp>
#include <cerrno>

namespace route::net {

namespace {

class NameCategory final : public boost::system::error_category
{
  public:
    const char* name() const noexcept override { return "getaddrinfo"; }
    std::string message(int value) const override
    {
        if (value == static_cast<int>(NameError::too_many_lookups))
            return "too many names are being looked up at once";
        return gai_strerror(value);
    }
};

Addresses addresses_of(const addrinfo* found)
{
    Addresses addresses;
    for (const auto* each = found; each != nullptr; each = each->ai_next) {
        if (each->ai_family == AF_INET) {
            const auto* address = reinterpret_cast<const sockaddr_in*>(each->ai_addr);
            addresses.emplace_back(asio::ip::address_v4{ntohl(address->sin_addr.s_addr)});
        } else if (each->ai_family == AF_INET6) {
            const auto* address = reinterpret_cast<const sockaddr_in6*>(each->ai_addr);
            asio::ip::address_v6::bytes_type bytes;
            std::copy_n(address->sin6_addr.s6_addr, bytes.size(), bytes.begin());
            addresses.emplace_back(asio::ip::address_v6{bytes, address->sin6_scope_id});
        }
    }
    return addresses;
}

}  // namespace

const boost::system::error_category& name_category()
{
    // Never destroyed: a look-up may outlive main().
    static const auto& category = *new NameCategory;
    return category;
}

FoundAddresses look_up_with_system(const std::string& host)
{
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    auto code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (code != 0 && code != EAI_AGAIN) {
        // Loopback is no address to AI_ADDRCONFIG: a machine without a network still has localhost.
        hints.ai_flags = 0;
        code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
    }
    if (code == EAI_SYSTEM)
        return {error_code{errno, boost::system::system_category()}, {}};
    if (code != 0)
        return {error_code{code, name_category()}, {}};
    FoundAddresses answer{{}, addresses_of(found)};
    ::freeaddrinfo(found);
    return answer;
}

bool is_temporary(const error_code& error)
{
    if (error.category() == boost::system::system_category())
        return true;
    return error == make_error_code(NameError::too_many_lookups) ||
           error == error_code{EAI_AGAIN, name_category()} ||
           error == error_code{EAI_MEMORY, name_category()};
}

}  // namespace route::net
