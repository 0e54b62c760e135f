#include "storage/sqlite/connection.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "storage/sqlite/migrations.hpp"

namespace route::storage {

namespace {

using Kind = StorageError::Kind;

Kind kind_of(int code, Kind constraint)
{
    switch (code & 0xff) {
        case SQLITE_CONSTRAINT:
            return constraint;
        case SQLITE_TOOBIG:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE:
            return Kind::rejected;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_FULL:
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_NOMEM:
        case SQLITE_INTERRUPT:
        case SQLITE_PROTOCOL:
            return Kind::unavailable;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return Kind::damaged;
        default:
            return Kind::broken;
    }
}

/// Makes the file with mode 0600 unless it is there. It is made under another name and linked: closing a
/// descriptor of a file that another thread has meanwhile opened through SQLite would drop that thread's
/// locks (POSIX advisory locks).
void make_private_file(const std::string& path)
{
    if (::access(path.c_str(), F_OK) == 0)
        return;
    std::string temporary = path + ".new-XXXXXX";
    const int file = ::mkostemp(temporary.data(), O_CLOEXEC);  // mode 0600
    if (file < 0)
        throw StorageError{Kind::unavailable, fmt::format("{}: {}", path, std::strerror(errno))};
    ::close(file);
    // The second is for file systems without hard links. Another router may have been faster: then its file
    // is the one.
    if (::link(temporary.c_str(), path.c_str()) != 0 &&
        ::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0)
        return;
    ::unlink(temporary.c_str());
}

/// For who is to make none: a reader's typing error, or a file that was taken away from a router, must not
/// become an empty database that others take for the truth.
void require_file(const std::string& path)
{
    if (::access(path.c_str(), F_OK) != 0)
        throw StorageError{
            Kind::unavailable,
            fmt::format("{}: {}: `serve` makes it at its start, or the first `upstream add` or `key add`; "
                        "--database names another",
                        path, std::strerror(errno))};
}

void require_tables(SQLite::Database& database, const std::string& path)
{
    if (!has_tables(database))
        throw StorageError{
            Kind::unavailable,
            fmt::format("{} has no tables of this program: `serve` makes them at its start, or the first "
                        "`upstream add` or `key add`; --database names another",
                        path)};
}

/// Changing the journal needs the file for a moment alone, and SQLite does not always wait for that itself.
void use_wal(SQLite::Database& database, std::chrono::steady_clock::time_point deadline)
{
    for (;;) {
        try {
            database.exec("PRAGMA journal_mode = WAL");
            return;
        } catch (const SQLite::Exception& error) {
            if ((error.getErrorCode() & 0xff) != SQLITE_BUSY || std::chrono::steady_clock::now() > deadline)
                throw;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
}

int milliseconds(std::chrono::milliseconds duration)
{
    return static_cast<int>(duration.count());
}

/// sqlite.org/uri.html
std::string immutable_uri(const std::string& path)
{
    std::string uri = "file:";
    for (const char c : path) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                           std::string_view{"/._-"}.find(c) != std::string_view::npos;
        uri += plain ? std::string{c} : fmt::format("%{:02x}", static_cast<unsigned char>(c));
    }
    return uri + "?immutable=1";
}

SQLite::Database open_and_migrate(const SqliteOptions& options)
{
    const bool read_only = options.read_only || options.immutable;
    if (!options.create)
        require_file(options.path);
    else if (!read_only)
        make_private_file(options.path);
    const int access = read_only ? SQLite::OPEN_READONLY : SQLite::OPEN_READWRITE;
    const int uri = options.immutable ? SQLite::OPEN_URI : 0;
    SQLite::Database database{options.immutable ? immutable_uri(options.path) : options.path,
                              access | uri | SQLITE_OPEN_NOMUTEX, milliseconds(options.migration_timeout)};
    sqlite3_extended_result_codes(database.getHandle(), 1);
    // Takes effect in a new file only; rows with bodies cost half of what they cost with 4 KiB pages.
    database.exec(
        "PRAGMA page_size = 32768; PRAGMA foreign_keys = OFF; PRAGMA synchronous = NORMAL;"
        "PRAGMA cache_size = -8192; PRAGMA journal_size_limit = 67108864;");
    if (!options.create)
        require_tables(database, options.path);
    if (options.identity && !options.identity->id().empty())
        require_identity(database, options);  // first: another file is not touched
    const bool current = schema_is_current(database);
    if (read_only && !current)
        throw StorageError{Kind::broken,
                           options.path + " has an older schema: it can be read once it is migrated"};
    if (!current)
        migrate(database, options.path);
    require_identity(database, options);
    if (!read_only)
        use_wal(database, std::chrono::steady_clock::now() + options.migration_timeout);
    if (options.writable && sqlite3_db_readonly(database.getHandle(), "main") == 1)
        throw StorageError{Kind::unavailable,
                           options.path + " can only be read: see its permissions and its file system"};
    database.setBusyTimeout(milliseconds(options.busy_timeout));
    return database;
}

}  // namespace

StorageError storage_error(const SQLite::Exception& error, StorageError::Kind constraint)
{
    return StorageError{kind_of(error.getErrorCode(), constraint), error.what()};
}

void require_identity(SQLite::Database& database, const SqliteOptions& options)
{
    if (!options.identity || options.identity->accept(schema_id(database)))
        return;
    throw StorageError{
        Kind::unavailable,
        fmt::format("{} is another database than before: put that one, or a backup of it, back "
                    "in its place, or restart the router, which then begins with this one",
                    options.path)};
}

void empty_wal(SQLite::Database& database, std::chrono::milliseconds busy_timeout)
{
    constexpr std::chrono::milliseconds patience{100};
    database.setBusyTimeout(milliseconds(patience));
    database.tryExec("PRAGMA wal_checkpoint(TRUNCATE)");
    database.setBusyTimeout(milliseconds(busy_timeout));
}

TimeBound::TimeBound(SQLite::Database& database, std::chrono::milliseconds bound)
    : database_{database}, until_{std::chrono::steady_clock::now() + bound}
{
    constexpr int steps_between = 10'000;
    const auto is_over = [](void* self) {
        return std::chrono::steady_clock::now() > static_cast<TimeBound*>(self)->until_ ? 1 : 0;
    };
    sqlite3_progress_handler(database_.getHandle(), steps_between, is_over, this);
}

TimeBound::~TimeBound()
{
    sqlite3_progress_handler(database_.getHandle(), 0, nullptr, nullptr);
}

SQLite::Database open_sqlite_file(const SqliteOptions& options)
{
    try {
        return open_and_migrate(options);
    } catch (const SQLite::Exception& error) {
        throw StorageError{kind_of(error.getErrorCode(), Kind::broken), options.path + ": " + error.what()};
    }
}

bool schema_has(SQLite::Database& database, const std::string& name)
{
    SQLite::Statement query{database,
                            "SELECT 1 FROM sqlite_master WHERE name = ? AND type IN ('table', 'index')"};
    query.bind(1, name);
    return query.executeStep();
}

bool has_column(SQLite::Database& database, const std::string& table, const std::string& column)
{
    SQLite::Statement query{database, "SELECT 1 FROM pragma_table_info(?) WHERE name = ? COLLATE NOCASE"};
    query.bind(1, table);
    query.bind(2, column);
    return query.executeStep();
}

}  // namespace route::storage
