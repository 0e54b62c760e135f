#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <iosfwd>
#include <optional>
#include <string>

#include "core/failover/upstream.hpp"
#include "core/record.hpp"

namespace route::cli {

/// Valid UTF-8 whatever a row holds.
boost::json::value json_text(const std::string& text);

/// `null` when there is none; a whole number without fraction.
boost::json::value json_seconds(const std::optional<Seconds>& seconds);

template <class T>
boost::json::value json_or_null(const std::optional<T>& value)
{
    if (!value)
        return nullptr;
    return boost::json::value(*value);
}

/// Milliseconds, with three decimals at most.
boost::json::value json_ms(Nanoseconds time);

/// One line, without its end; numbers in plain decimal notation.
std::string json_line(const boost::json::value& value);
void print_json(std::ostream& out, const boost::json::value& value);

}  // namespace route::cli
