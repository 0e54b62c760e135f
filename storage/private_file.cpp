#include "storage/private_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/text.hpp"

namespace route::storage {

void make_private(const std::string& path)
{
    // By its name: closing a descriptor of an SQLite file would drop the locks this process has on it.
    struct stat status{};
    constexpr mode_t others = S_IRWXG | S_IRWXO;
    if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode) || (status.st_mode & others) == 0)
        return;
    const auto mode = status.st_mode & 07777u;
    if (::chmod(path.c_str(), S_IRUSR | S_IWUSR) == 0)
        spdlog::warn("{} had mode {:04o}, which lets others at it: it is 0600 now", escape_for_log(path),
                     mode);
    else
        spdlog::warn("{} has mode {:04o}, which lets others at it, and cannot be made 0600: {}",
                     escape_for_log(path), mode, std::strerror(errno));
}

void make_database_private(const std::string& path)
{
    for (const char* suffix : {"", "-wal", "-shm"})
        make_private(path + suffix);
}

std::string cannot_make(const std::string& path)
{
    std::string temporary = path + ".try-XXXXXX";
    const int file = ::mkostemp(temporary.data(), O_CLOEXEC);
    if (file < 0)
        return fmt::format("{} can not be made: {}", path, std::strerror(errno));
    ::close(file);
    ::unlink(temporary.c_str());
    return {};
}

}  // namespace route::storage
