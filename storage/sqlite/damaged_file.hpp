#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <string>

namespace route::storage {

/// Looks through the file for damage, for `bound` at most; throws StorageError, `damaged` when there is some.
void look_for_damage(SQLite::Database& database, std::chrono::milliseconds bound);

/// Gives an SQLite file that nobody here has open another name, with its -wal and -shm: `.broken-` and the
/// time. The new name; throws `unavailable` when that is not possible.
std::string set_file_aside(const std::string& path);

}  // namespace route::storage
