#include <sqlite3.h>

#include "storage/request_ids.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

namespace {

std::uint64_t number(SQLite::Database& database, const std::string& sql)
{
    return static_cast<std::uint64_t>(database.execAndGet(sql.c_str()).getInt64());
}

/// Pages of the table and of its indexes; nothing where SQLite was built without dbstat.
std::optional<std::uint64_t> bytes_of(SQLite::Database& database, const std::string& table)
{
    try {
        return number(database,
                      "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name IN"
                      " (SELECT name FROM sqlite_master WHERE tbl_name = '" +
                          table + "')");
    } catch (const SQLite::Exception&) {
        return {};
    }
}

std::optional<SystemTime> time_of(SQLite::Database& database, const char* which)
{
    SQLite::Statement row{database, std::string{"SELECT "} + which + "(request_id) FROM records"};
    if (!row.executeStep() || row.getColumn(0).isNull())
        return {};
    return time_of_request_id(row.getColumn(0).getString());
}

}  // namespace

DatabaseSize SqliteRepository::size()
{
    check_file();
    return guarded([&] {
        auto& database = *database_;
        const auto pages = number(database, "PRAGMA page_count") - number(database, "PRAGMA freelist_count");
        const auto bytes = pages * number(database, "PRAGMA page_size");
        return DatabaseSize{bytes, bytes};
    });
}

DatabaseStatus SqliteRepository::status()
{
    return guarded([&] {
        auto& database = *database_;
        DatabaseStatus status;
        status.server = std::string{"SQLite "} + sqlite3_libversion();
        status.schema_version = static_cast<int>(number(database, "PRAGMA user_version"));
        status.bytes = number(database, "PRAGMA page_count") * number(database, "PRAGMA page_size");
        for (const char* table : {"openai_upstreams", "client_keys", "records", "attempts"})
            status.tables.push_back({table, number(database, std::string{"SELECT count(*) FROM "} + table),
                                     false, bytes_of(database, table)});
        status.oldest_record = time_of(database, "min");
        status.newest_record = time_of(database, "max");
        return status;
    });
}

}  // namespace route::storage
