#pragma once

#include <boost/beast/http/field.hpp>
#include <string_view>
#include <vector>

namespace route {

/// One field line of a head (RFC 9110 5.1). The views point into the bytes of the head they were parsed from.
struct HeaderField
{
    boost::beast::http::field id;
    std::string_view name;
    std::string_view value;
};

using HeaderFields = std::vector<HeaderField>;

/// The first field of that name, or an empty view.
std::string_view find_field(const HeaderFields& fields, boost::beast::http::field id);
std::string_view find_field(const HeaderFields& fields, std::string_view name);

}  // namespace route
