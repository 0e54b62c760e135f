#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>

namespace route {

/// Why an input from outside was refused: one sentence for a person, with no secret in it.
struct Invalid
{
    std::string reason;
};

/// A value, or why there is none. `value()` on a refusal throws std::invalid_argument.
template <class T>
using Result = boost::system::result<T, Invalid>;

[[noreturn]] inline void throw_exception_from_error(const Invalid& invalid, const boost::source_location&)
{
    throw std::invalid_argument{invalid.reason};
}

}  // namespace route
