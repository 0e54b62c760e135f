#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace route::net {

/// Whether it is an address of IPv4 or IPv6, one with a zone (`fe80::1%eth0`) included.
bool is_address(const std::string& text);

/// Addresses that begin with the same bits (RFC 4632, RFC 4291 2.3), or a single one.
class Network
{
  public:
    /// `10.0.0.0/8`, `fd00::/8`, or an address; nothing for what is neither. Bits behind the length are
    /// passed over.
    static std::optional<Network> parse(std::string_view text);

    /// One of IPv4 inside IPv6 is in no network of IPv4.
    bool contains(const boost::asio::ip::address& address) const;

  private:
    Network(boost::asio::ip::address begin, unsigned bits) : begin_{std::move(begin)}, bits_{bits} {}

    boost::asio::ip::address begin_;
    unsigned bits_;
};

}  // namespace route::net
