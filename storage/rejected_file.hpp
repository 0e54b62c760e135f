#pragma once

#include <atomic>
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

    /// Whether a line could be appended; makes the file private. Logs why not. To be called at the start:
    /// nobody looks at the file again until it is needed.
    bool check();

    /// Appends a line, whole or not at all, within a fifth of a second; false when that is not possible
    /// (which is logged once). A line that was cut short earlier, by whatever, is ended first.
    bool add(const Record& record, std::string_view reason);

    /// Whether the last try failed. Any thread.
    bool failing() const { return failing_; }

  private:
    std::string append(std::string_view line);

    std::string path_;
    std::atomic<bool> failing_{false};
};

}  // namespace route::storage
