#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <string>

namespace route::storage {

/// Name of the client key taken over from v0.3.0.
inline constexpr auto legacy_key_name = "v0.3.0";

/// Whether the file holds tables as v0.3.0 made them.
bool is_legacy(SQLite::Database& database);

/// Copies the file, as it was last committed, to `path` + ".v0.3.0" (mode 0600). A copy that is there and
/// whole stays as it is. To be called while the write lock is held and nothing is changed yet.
void copy_legacy(const std::string& path);

/// Moves upstreams, records and the client key to tables of the current schema and drops the old ones. Row by
/// row: its memory does not grow with the file. To be called in a transaction, with secure_delete on.
void import_legacy(SQLite::Database& database);

}  // namespace route::storage
