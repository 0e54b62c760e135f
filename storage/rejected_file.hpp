#pragma once

#include <string>
#include <string_view>

#include "core/record.hpp"

namespace route::storage {

/// Where records go that a database refuses by themselves: a file of JSON lines with the columns of
/// `records`, an array `attempts` and the `reason`. Made with mode 0600 when first needed.
class RejectedFile
{
  public:
    explicit RejectedFile(std::string path) : path_{std::move(path)} {}

    /// Appends a line; false when that is not possible (which is logged).
    bool add(const Record& record, std::string_view reason);

  private:
    std::string path_;
};

}  // namespace route::storage
