#include "core/net/transport/local_name.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace route::net {

Result<LocalName> LocalName::open(const std::string& path)
{
    const std::filesystem::path whole{path};
    const auto parent = whole.parent_path();
    const int directory = ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return Invalid{parent.string() + ": " + std::generic_category().message(errno)};
    LocalName name{directory, whole.filename().string()};
    constexpr auto room = sizeof(sockaddr_un::sun_path) - 1;
    auto address = path;
    if (address.size() > room)
        address = "/proc/self/fd/" + std::to_string(directory) + "/" + name.file_;
    if (name.file_.empty() || address.size() > room)
        return Invalid{path + ": its name is too long for a socket"};
    name.endpoint_ = asio::local::stream_protocol::endpoint{address};
    return name;
}

LocalName::LocalName(LocalName&& other) noexcept
    : directory_{std::exchange(other.directory_, -1)},
      file_{std::move(other.file_)},
      endpoint_{other.endpoint_}
{
}

LocalName::~LocalName()
{
    if (directory_ >= 0)
        ::close(directory_);
}

std::optional<struct stat> LocalName::look() const
{
    struct stat found = {};
    if (::fstatat(directory_, file_.c_str(), &found, AT_SYMLINK_NOFOLLOW) != 0)
        return std::nullopt;
    return found;
}

bool LocalName::lock() const
{
    return ::flock(directory_, LOCK_EX | LOCK_NB) == 0;
}

bool LocalName::remove() const
{
    return ::unlinkat(directory_, file_.c_str(), 0) == 0;
}

}  // namespace route::net
