#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "storage/repository.hpp"
#include "storage/schema_identity.hpp"

namespace route::storage {

struct SqliteOptions
{
    std::string path;
    /// Longest wait for a lock another connection holds. Short: behind the record writer's stands the outbox.
    std::chrono::milliseconds busy_timeout{1000};
    /// The same while the schema is made, migrated or taken over, which another router may be doing.
    std::chrono::milliseconds migration_timeout{10'000};
    bool create = true;      ///< false: a missing file, and one without tables, is `unavailable`
    bool read_only = false;  ///< then the schema must be current
    bool writable = false;   ///< true: a file that can only be read is `unavailable`
    /// Reads the file alone, without locks and without its -wal and -shm: when the disk is full, or another
    /// program has locked readers out, too. What was not yet moved from the -wal into the file is not seen.
    /// Implies read_only.
    bool immutable = false;
    /// Set by the first connection; a file with another one, or none, is `unavailable` and left as it is. May
    /// be null.
    std::shared_ptr<SchemaIdentity> identity = {};
};

/// What SQLite reported, as a StorageError; `constraint` is the kind of a violated constraint.
StorageError storage_error(const SQLite::Exception& error, StorageError::Kind constraint);

/// Calls `function`; SQLite's exceptions come out as StorageErrors.
template <class F>
auto guarded(F&& function, StorageError::Kind constraint = StorageError::Kind::rejected)
{
    try {
        return std::forward<F>(function)();
    } catch (const SQLite::Exception& error) {
        throw storage_error(error, constraint);
    }
}

/// Throws `unavailable` when the database's identity is not that of the options.
void require_identity(SQLite::Database& database, const SqliteOptions& options);

/// Opens the file, making it with mode 0600 (its -wal and -shm take after it), and sets the connection up.
/// The schema is migrated, or taken over from v0.3.0; the journal is WAL. Throws StorageError.
SQLite::Database open_sqlite_file(const SqliteOptions& options);

/// A transaction that writes: the lock is taken at its beginning, so that it cannot fail half-way for being
/// behind.
class WriteTransaction
{
  public:
    explicit WriteTransaction(SQLite::Database& database)
        : transaction_{database, SQLite::TransactionBehavior::IMMEDIATE}
    {
    }
    void commit() { transaction_.commit(); }

  private:
    SQLite::Transaction transaction_;
};

/// While it lives, statements of the connection end with SQLITE_INTERRUPT once the time is over.
class TimeBound
{
  public:
    TimeBound(SQLite::Database& database, std::chrono::milliseconds bound);
    ~TimeBound();
    TimeBound(const TimeBound&) = delete;
    TimeBound& operator=(const TimeBound&) = delete;

  private:
    SQLite::Database& database_;
    std::chrono::steady_clock::time_point until_;
};

/// While it lives, what is deleted or replaced is overwritten in the file, too. Not to be made inside a
/// transaction.
class SecureDelete
{
  public:
    explicit SecureDelete(SQLite::Database& database) : database_{database}
    {
        database_.exec("PRAGMA secure_delete = ON");
    }
    ~SecureDelete() { database_.tryExec("PRAGMA secure_delete = OFF"); }
    SecureDelete(const SecureDelete&) = delete;
    SecureDelete& operator=(const SecureDelete&) = delete;

  private:
    SQLite::Database& database_;
};

/// Empties the -wal, which holds pages as they were before. When somebody reads or writes just now it stays
/// until it is begun anew.
void empty_wal(SQLite::Database& database, std::chrono::milliseconds busy_timeout);

/// Whether the table or index exists.
bool schema_has(SQLite::Database& database, const std::string& name);

/// Whether the table has the column.
bool has_column(SQLite::Database& database, const std::string& table, const std::string& column);

}  // namespace route::storage
