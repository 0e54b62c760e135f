#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace route::notify {

/// The object a reply consists of; nothing when it is anything else.
std::optional<boost::json::object> json_object_in(std::string_view body);

/// A member that is a whole number; a member that is a string, escaped for logs, or "".
std::optional<std::int64_t> number_of(const boost::json::object& object, std::string_view name);
std::string text_of(const boost::json::object& object, std::string_view name);

}  // namespace route::notify
