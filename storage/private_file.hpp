#pragma once

#include <string>

namespace route::storage {

// Files that hold requests, replies and keys. Any thread.

/// Takes the rights of others from a file that is there, with a warning. One that another user owns stays as
/// it is, with a warning, too.
void make_private(const std::string& path);

/// The same for an SQLite file with its -wal and -shm.
void make_database_private(const std::string& path);

/// Why no file could be made beside this one; "" when one can. Makes one and removes it: permissions alone do
/// not say it (a read-only file system, a full one).
std::string cannot_make(const std::string& path);

}  // namespace route::storage
