#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/error_code.hpp>

namespace route::test {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// An operation that is awaited and gives its error instead of throwing it.
constexpr auto to_tuple = asio::as_tuple(asio::use_awaitable);

/// A free port is chosen by the system.
inline const tcp::endpoint any_loopback_port{asio::ip::address_v4::loopback(), 0};

}  // namespace route::test
