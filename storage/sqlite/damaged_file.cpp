#include "storage/sqlite/damaged_file.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "storage/sqlite/connection.hpp"

namespace route::storage {

namespace {

/// A name that is free, for the file and all that goes with it.
std::string free_name(const std::string& path)
{
    const auto name = fmt::format("{}.broken-{:%Y%m%dT%H%M%SZ}", path, fmt::gmtime(std::time(nullptr)));
    auto tried = name;
    for (int number = 2; ::access(tried.c_str(), F_OK) == 0; ++number)
        tried = fmt::format("{}-{}", name, number);
    return tried;
}

}  // namespace

void look_for_damage(SQLite::Database& database, std::chrono::milliseconds bound)
{
    try {
        const TimeBound bounded{database, bound};
        const auto found = database.execAndGet("PRAGMA quick_check(1)").getString();
        if (found != "ok")
            throw StorageError{StorageError::Kind::damaged, found};
    } catch (const SQLite::Exception& error) {
        if ((error.getErrorCode() & 0xff) != SQLITE_INTERRUPT)
            throw storage_error(error, StorageError::Kind::broken);
    }
}

std::string set_file_aside(const std::string& path)
{
    const auto aside = free_name(path);
    // The file itself last: a -wal that stayed behind would be taken for that of the next one.
    for (const char* suffix : {"-wal", "-shm", "-journal", ""})
        if (std::rename((path + suffix).c_str(), (aside + suffix).c_str()) != 0 && errno != ENOENT)
            throw StorageError{StorageError::Kind::unavailable,
                               fmt::format("{} is damaged, and can not be set aside: {}", path + suffix,
                                           std::strerror(errno))};
    return aside;
}

}  // namespace route::storage
