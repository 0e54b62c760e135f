#include "storage/sqlite/sqlite_repository.hpp"

#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace route::storage {

SqliteRepository::SqliteRepository(const SqliteOptions& options)
    : options_{options},
      waits_for_lock_{options.busy_timeout},
      database_{std::make_unique<SQLite::Database>(open_sqlite_file(options))}
{
    struct stat status{};
    if (::stat(options_.path.c_str(), &status) == 0) {
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
    if (::stat(options_.path.c_str(), &status) != 0 || status.st_dev != device_ || status.st_ino != inode_)
        throw StorageError{StorageError::Kind::unavailable,
                           fmt::format("{} was removed or replaced", options_.path)};
}

void SqliteRepository::check_identity()
{
    guarded([&] { require_identity(*database_, options_); });
}

void SqliteRepository::abandon()
{
    sqlite3_interrupt(database_->getHandle());
}

void SqliteRepository::wait_for_locks(std::chrono::milliseconds bound)
{
    const auto wait = bound.count() > 0 ? std::min(bound, options_.busy_timeout) : options_.busy_timeout;
    if (std::exchange(waits_for_lock_, wait) != wait)
        database_->setBusyTimeout(static_cast<int>(wait.count()));
}

void SqliteRepository::checkpoint()
{
    guarded([&] { database_->exec("PRAGMA wal_checkpoint(PASSIVE)"); });
}

void SqliteRepository::compact()
{
    guarded([&] {
        database_->exec("VACUUM");
        database_->exec("PRAGMA wal_checkpoint(TRUNCATE)");
    });
}

}  // namespace route::storage
