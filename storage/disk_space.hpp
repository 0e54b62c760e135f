#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace route::storage {

/// Of a file system.
struct DiskSpace
{
    std::uint64_t free = 0;   ///< bytes that this process may use
    std::uint64_t total = 0;  ///< bytes

    /// Under a tenth is free.
    bool scarce() const { return free < total / 10; }
    bool operator==(const DiskSpace&) const = default;
};

/// Of the file systems on which these files are or would be made the one that is fullest; nothing when none
/// can be looked at.
std::optional<DiskSpace> fullest_disk(const std::vector<std::string>& files);

}  // namespace route::storage
