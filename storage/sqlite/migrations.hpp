#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <string>

namespace route::storage {

/// Whether nothing is to be done. StorageError broken when a newer version of the program wrote the file.
bool schema_is_current(SQLite::Database& database);

/// Whether there are tables of this program, or of v0.3.0.
bool has_tables(SQLite::Database& database);

/// What tells this schema from any other; "" when an earlier version of the program made it.
std::string schema_id(SQLite::Database& database);

/// Makes or migrates the schema, each step in one transaction under the write lock, so that routers starting
/// together are safe; a file of v0.3.0 is taken over (legacy_import.hpp). Waits for others with the
/// connection's busy timeout. `path` is the file's.
void migrate(SQLite::Database& database, const std::string& path);

/// Makes the tables and indexes that are not there.
void create_schema(SQLite::Database& database);

}  // namespace route::storage
