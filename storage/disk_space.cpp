#include "storage/disk_space.hpp"

#include <filesystem>

namespace route::storage {

namespace {

double share_free(const DiskSpace& disk)
{
    return static_cast<double>(disk.free) / static_cast<double>(disk.total);
}

}  // namespace

std::optional<DiskSpace> fullest_disk(const std::vector<std::string>& files)
{
    std::optional<DiskSpace> fullest;
    for (const auto& file : files) {
        std::error_code failure;
        auto directory = std::filesystem::absolute(file, failure).parent_path();
        const auto space = std::filesystem::space(directory, failure);
        if (failure || space.capacity == 0)
            continue;
        const DiskSpace disk{space.available, space.capacity};
        if (!fullest || share_free(disk) < share_free(*fullest))
            fullest = disk;
    }
    return fullest;
}

}  // namespace route::storage
