#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/net/waiting/asio.hpp"

namespace route::net {

using Addresses = std::vector<asio::ip::address>;

/// What asking for a name gave.
struct FoundAddresses
{
    error_code error;
    Addresses addresses;
};

/// Asks for the addresses of a name; may block for as long as it likes.
using LookUp = std::function<FoundAddresses(const std::string& host)>;

/// getaddrinfo(3), in its order (RFC 6724).
FoundAddresses look_up_with_system(const std::string& host);

/// Errors of look-ups: those of getaddrinfo (EAI_…, all negative) and these.
enum class NameError
{
    too_many_lookups = 1,
};
const boost::system::error_category& name_category();
inline error_code make_error_code(NameError error)
{
    return {static_cast<int>(error), name_category()};
}

/// Whether it says nothing about the name: asking again may find it.
bool is_temporary(const error_code& error);

}  // namespace route::net
