#include "core/net/transport/network.hpp"

#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

namespace route::net {

namespace ip = boost::asio::ip;

bool is_address(const std::string& text)
{
    boost::system::error_code error;
    ip::make_address(text, error);
    return !error;
}

std::optional<Network> Network::parse(std::string_view text)
{
    const std::string name{text};
    boost::system::error_code error;
    if (const auto address = ip::make_address(name, error); !error)
        return Network{address, address.is_v4() ? 32u : 128u};
    if (const auto v4 = ip::make_network_v4(name, error); !error)
        return Network{v4.canonical().address(), v4.prefix_length()};
    if (const auto v6 = ip::make_network_v6(name, error); !error)
        return Network{v6.canonical().address(), v6.prefix_length()};
    return std::nullopt;
}

bool Network::contains(const ip::address& address) const
{
    if (address.is_v4() != begin_.is_v4())
        return false;
    const auto bits = static_cast<unsigned short>(bits_);
    if (address.is_v4())
        return ip::network_v4{address.to_v4(), bits}.canonical().address() == begin_.to_v4();
    return ip::network_v6{address.to_v6(), bits}.canonical().address() == begin_.to_v6();
}

}  // namespace route::net
