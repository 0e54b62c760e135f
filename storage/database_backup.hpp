#pragma once

#include <cstdint>
#include <string>

namespace route::storage {

/// What a backup holds.
struct BackupCounts
{
    std::uint64_t records = 0;
    std::uint64_t upstreams = 0;  ///< removed ones included, as with keys
    std::uint64_t keys = 0;
    std::uint64_t bytes = 0;  ///< of the file
};

/// Writes a whole copy of an SQLite database, as it is at one moment, to a file of mode 0600 that bears its
/// name once it is complete, looked through for damage and synced to disk. Routers may read and write the
/// database meanwhile; its -wal grows by what they write. The schema stays as it is, also when it is older.
/// A file that is there is `unavailable`, unless it is to be replaced; and always when it is the database
/// itself or one in use. Throws StorageError.
BackupCounts back_up_sqlite(const std::string& path, const std::string& backup, bool replace);

}  // namespace route::storage
