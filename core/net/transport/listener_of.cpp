#include "core/net/transport/listener_of.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace route::net {

namespace {

namespace fs = std::filesystem;

/// The links below /proc/PID/fd that mean a socket which listens on `port`.
void add_listening(const char* table, std::uint16_t port, std::set<std::string>& links)
{
    constexpr std::string_view listens = "0A";  // TCP_LISTEN
    std::ifstream file{table};
    std::string line;
    std::getline(file, line);  // the columns' names
    while (std::getline(file, line)) {
        std::istringstream columns{line};
        std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
        columns >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >>
            inode;
        const auto colon = local.rfind(':');
        unsigned local_port = 0;
        if (state != listens || colon == std::string::npos)
            continue;
        std::from_chars(local.data() + colon + 1, local.data() + local.size(), local_port, 16);
        if (local_port == port)
            links.insert("socket:[" + inode + "]");
    }
}

bool holds_one(const fs::path& process, const std::set<std::string>& links)
{
    std::error_code error;
    for (fs::directory_iterator open{process / "fd", error}, end; !error && open != end;
         open.increment(error)) {
        std::error_code gone;
        if (links.contains(fs::read_symlink(open->path(), gone).string()))
            return true;
    }
    return false;
}

bool is_process(const fs::path& path)
{
    const auto name = path.filename().string();
    return std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string listener_of(std::uint16_t port)
{
    std::set<std::string> links;
    add_listening("/proc/net/tcp", port, links);
    add_listening("/proc/net/tcp6", port, links);
    if (links.empty())
        return {};
    std::error_code error;
    for (fs::directory_iterator process{"/proc", error}, end; !error && process != end;
         process.increment(error)) {
        if (!is_process(process->path()) || !holds_one(process->path(), links))
            continue;
        std::error_code gone;
        const auto program = fs::read_symlink(process->path() / "exe", gone).filename().string();
        return program + " (process " + process->path().filename().string() + ")";
    }
    return {};
}

}  // namespace route::net
