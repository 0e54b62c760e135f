#include "storage/sqlite/migrations.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "storage/sqlite/connection.hpp"
#include "storage/sqlite/legacy_import.hpp"

namespace route::storage {

namespace {

/// Values of PRAGMA user_version. A file whose takeover is done but for erasing what was freed may stay so
/// for long: its tables are brought up to date all the same. 2 has no records.trace_id, 3 no identity, 4 no
/// openai_upstreams.retries and what follows it, 5 no made_by.
constexpr int empty_version = 0;
constexpr int erasure_pending = 1;
constexpr int current_version = 6;

constexpr auto state_table = R"(
CREATE TABLE IF NOT EXISTS openai_api_route_state (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
)";

int version_of(SQLite::Database& database)
{
    return database.execAndGet("PRAGMA user_version").getInt();
}

void set_version(SQLite::Database& database, int version)
{
    database.exec(fmt::format("PRAGMA user_version = {}", version));
}

void make_or_take_over(SQLite::Database& database, const std::string& path)
{
    const SecureDelete secure{database};  // what the takeover frees
    WriteTransaction transaction{database};
    if (version_of(database) != empty_version)
        return;
    const bool legacy = is_legacy(database);
    if (legacy) {
        copy_legacy(path);
        import_legacy(database);
    } else {
        create_schema(database);
    }
    set_version(database, legacy ? erasure_pending : current_version);
    transaction.commit();
}

/// A column at the end is added without touching a row. A router of an older version that has the file open
/// goes on: its statements name their columns, and SQLite prepares them anew. It could not open it again.
void add_trace_id(SQLite::Database& database)
{
    if (!has_column(database, "records", "trace_id"))
        database.exec("ALTER TABLE records ADD COLUMN trace_id TEXT");
}

/// What an upstream needs beyond its key and endpoint.
void add_needs_of_upstreams(SQLite::Database& database)
{
    for (const char* column :
         {"retries INTEGER", "first_content_timeout REAL", "hedge_after REAL", "max_in_flight INTEGER",
          "headers TEXT", "\"set\" TEXT", "unset TEXT", "key_header TEXT"}) {
        std::string name{column, std::string_view{column}.find(' ')};
        std::erase(name, '"');
        if (!has_column(database, "openai_upstreams", name.c_str()))
            database.exec(fmt::format("ALTER TABLE openai_upstreams ADD COLUMN {}", column));
    }
}

/// Which upstream made what clients ask for by its id (SPEC 5.14): SHA-256 of the id. The index is for
/// pruning, and for the outbox, which finds a record's by its time.
constexpr auto made_by_table = R"(
CREATE TABLE IF NOT EXISTS made_by (
    id_hash BLOB PRIMARY KEY,
    upstream_name TEXT NOT NULL,
    created_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS made_by_created_at ON made_by (created_at);
)";

/// A router of an older version that has the file open goes on here, too.
void add_identity(SQLite::Database& database)
{
    database.exec(state_table);
    database.exec(
        "INSERT OR IGNORE INTO openai_api_route_state VALUES ('schema_id', lower(hex(randomblob(16))))");
}

/// Earlier versions left the key of a removed upstream in its row.
void erase_removed_keys(SQLite::Database& database)
{
    database.exec(
        "UPDATE openai_upstreams SET sk = '', proxy = '' WHERE deleted_at IS NOT NULL AND (sk <> '' OR proxy "
        "<> '')");
}

void upgrade(SQLite::Database& database)
{
    const SecureDelete secure{database};
    WriteTransaction transaction{database};
    // Another may have been faster.
    const int version = version_of(database);
    if (version == current_version)
        return;
    add_trace_id(database);
    add_needs_of_upstreams(database);
    add_identity(database);
    database.exec(made_by_table);
    erase_removed_keys(database);
    if (version != erasure_pending)
        set_version(database, current_version);
    transaction.commit();
}

/// Rewrites the file without its free pages. When that fails (the disk is full) the next start tries again:
/// nothing in use depends on it.
void erase_freed(SQLite::Database& database, const std::string& path)
{
    try {
        database.tryExec("PRAGMA journal_mode = DELETE");  // in WAL the page size could not change
        database.exec("VACUUM");
        database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
        set_version(database, current_version);
    } catch (const SQLite::Exception& error) {
        spdlog::warn("{}: freed pages of v0.3.0 could not be erased yet, the next start tries again: {}",
                     path, error.what());
    }
}

constexpr auto upstreams_table = R"(
CREATE TABLE IF NOT EXISTS openai_upstreams (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    deleted_at TEXT,
    sk TEXT,
    endpoint TEXT DEFAULT 'https://api.openai.com/v1',
    timeout REAL,
    name TEXT,
    priority INTEGER DEFAULT 0,
    weight INTEGER DEFAULT 1,
    stream_timeout REAL,
    allow TEXT DEFAULT '[]',
    deny TEXT DEFAULT '[]',
    rename TEXT DEFAULT '{}',
    proxy TEXT DEFAULT '',
    enabled INTEGER DEFAULT 1,
    retries INTEGER,
    first_content_timeout REAL,
    hedge_after REAL,
    max_in_flight INTEGER,
    headers TEXT,
    "set" TEXT,
    unset TEXT,
    key_header TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS openai_upstreams_sk_endpoint
    ON openai_upstreams (sk, endpoint) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS openai_upstreams_name
    ON openai_upstreams (name) WHERE deleted_at IS NULL AND name <> '';
)";

constexpr auto keys_table = R"(
CREATE TABLE IF NOT EXISTS client_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    created_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    deleted_at TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS client_keys_name ON client_keys (name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS client_keys_key_hash ON client_keys (key_hash) WHERE deleted_at IS NULL;
)";

// One index beside the primary key: request_id begins with the time, so it serves ranges of time, too.
constexpr auto records_tables = R"(
CREATE TABLE IF NOT EXISTS records (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL,
    client_request_id TEXT,
    created_at TEXT NOT NULL,
    node TEXT,
    ip TEXT,
    key_name TEXT,
    user_agent TEXT,
    method TEXT,
    path TEXT,
    model TEXT,
    stream INTEGER,
    body TEXT,
    body_bytes INTEGER,
    status INTEGER,
    outcome TEXT,
    error TEXT,
    upstream_id INTEGER,
    upstream_name TEXT,
    upstream_endpoint TEXT,
    attempts INTEGER,
    response TEXT,
    response_bytes INTEGER,
    response_time INTEGER,
    elapsed_time INTEGER,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    total_tokens INTEGER,
    finish_reason TEXT,
    trace_id TEXT
);
CREATE UNIQUE INDEX IF NOT EXISTS records_request_id ON records (request_id);
CREATE TABLE IF NOT EXISTS attempts (
    request_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    upstream_id INTEGER,
    upstream_name TEXT,
    started_at TEXT,
    status INTEGER,
    outcome TEXT,
    error TEXT,
    first_byte_time INTEGER,
    elapsed_time INTEGER,
    PRIMARY KEY (request_id, number)
) WITHOUT ROWID;
)";

}  // namespace

bool has_tables(SQLite::Database& database)
{
    return version_of(database) != empty_version || is_legacy(database) ||
           schema_has(database, "openai_upstreams");
}

std::string schema_id(SQLite::Database& database)
{
    if (!schema_has(database, "openai_api_route_state"))
        return {};
    SQLite::Statement row{database, "SELECT value FROM openai_api_route_state WHERE name = 'schema_id'"};
    return row.executeStep() ? row.getColumn(0).getString() : std::string{};
}

bool schema_is_current(SQLite::Database& database)
{
    const int version = version_of(database);
    if (version > current_version || version < empty_version)
        throw StorageError{
            StorageError::Kind::broken,
            fmt::format(
                "{} has schema version {}, written by a newer version of this program, which knows {}",
                database.getFilename(), version, current_version)};
    return version == current_version;
}

void migrate(SQLite::Database& database, const std::string& path)
{
    if (version_of(database) == empty_version)
        make_or_take_over(database, path);
    if (version_of(database) < current_version)
        upgrade(database);
    if (version_of(database) == erasure_pending)
        erase_freed(database, path);
}

void create_schema(SQLite::Database& database)
{
    database.exec(upstreams_table);
    database.exec(keys_table);
    database.exec(records_tables);
    database.exec(made_by_table);
    // A dump that was read back has tables, and no version.
    add_trace_id(database);
    add_needs_of_upstreams(database);
    add_identity(database);
    erase_removed_keys(database);
}

}  // namespace route::storage
