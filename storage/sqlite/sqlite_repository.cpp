#include "storage/sqlite/sqlite_repository.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

namespace route::storage {

SqliteRepository::SqliteRepository(const SqliteOptions& options)
    : path_{options.path}, database_{std::make_unique<SQLite::Database>(open_sqlite_file(options))}
{
    struct stat status{};
    if (::stat(path_.c_str(), &status) == 0) {
        device_ = status.st_dev;
        inode_ = status.st_ino;
    }
}

std::int64_t SqliteRepository::data_version()
{
    return guarded([&] { return database_->execAndGet("PRAGMA data_version").getInt64(); });
}

void SqliteRepository::check_file() const
{
    struct stat status{};
    if (::stat(path_.c_str(), &status) != 0 || status.st_dev != device_ || status.st_ino != inode_)
        throw StorageError{StorageError::Kind::unavailable, fmt::format("{} was removed or replaced", path_)};
}

void SqliteRepository::compact()
{
    guarded([&] {
        database_->exec("VACUUM");
        database_->exec("PRAGMA wal_checkpoint(TRUNCATE)");
    });
}

}  // namespace route::storage
