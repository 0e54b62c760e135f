#include <fmt/format.h>
#include <sqlite3.h>

#include "storage/request_ids.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

namespace {

/// Longer ones would keep the -wal from being emptied.
constexpr std::chrono::milliseconds longest_read{1'000};

/// So many rows are counted at once.
constexpr std::int64_t count_at_once = 100'000;

/// Greater than every request_id.
constexpr auto end_of_ids = "~";

std::uint64_t number(SQLite::Database& database, const std::string& sql)
{
    return static_cast<std::uint64_t>(database.execAndGet(sql.c_str()).getInt64());
}

/// Pages of the table and of its indexes; nothing where SQLite was built without dbstat, or the file is so
/// large that reading it whole would take long.
std::optional<std::uint64_t> bytes_of(SQLite::Database& database, const std::string& table)
{
    try {
        const TimeBound bounded{database, longest_read};
        return number(database,
                      "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name IN"
                      " (SELECT name FROM sqlite_master WHERE tbl_name = '" +
                          table + "')");
    } catch (const SQLite::Exception&) {
        return {};
    }
}

/// A page at a time, along the index of request_id; the attempts of one request in the same page.
std::uint64_t rows_of(SQLite::Database& database, const std::string& table)
{
    SQLite::Statement last{database, fmt::format("SELECT request_id FROM {} WHERE request_id > ?1"
                                                 " ORDER BY request_id LIMIT 1 OFFSET {}",
                                                 table, count_at_once - 1)};
    SQLite::Statement count{
        database, fmt::format("SELECT count(*) FROM {} WHERE request_id > ?1 AND request_id <= ?2", table)};
    std::uint64_t rows = 0;
    for (std::string from, to; to != end_of_ids; from = to) {
        last.reset();
        last.bind(1, from);
        to = last.executeStep() ? last.getColumn(0).getString() : end_of_ids;
        last.reset();
        count.reset();
        count.bind(1, from);
        count.bind(2, to);
        count.executeStep();
        rows += static_cast<std::uint64_t>(count.getColumn(0).getInt64());
        count.reset();
    }
    return rows;
}

/// A page at a time, along the hashes, which are spread evenly.
std::uint64_t made_rows(SQLite::Database& database)
{
    SQLite::Statement count{database, "SELECT count(*) FROM made_by WHERE id_hash >= ?1 AND id_hash < ?2"};
    std::uint64_t rows = 0;
    for (int first = 0; first < 256; ++first) {
        const std::string from(1, static_cast<char>(first));
        // Greater than every hash that begins so.
        const auto to = from + std::string(sizeof(IdHash), '\xff');
        count.reset();
        count.bind(1, from.data(), static_cast<int>(from.size()));
        count.bind(2, to.data(), static_cast<int>(to.size()));
        count.executeStep();
        rows += static_cast<std::uint64_t>(count.getColumn(0).getInt64());
        count.reset();
    }
    return rows;
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
        for (const char* table : {"openai_upstreams", "client_keys"})
            status.tables.push_back({table, number(database, std::string{"SELECT count(*) FROM "} + table),
                                     false, bytes_of(database, table)});
        for (const char* table : {"records", "attempts"})
            status.tables.push_back({table, rows_of(database, table), false, bytes_of(database, table)});
        status.tables.push_back({"made_by", made_rows(database), false, bytes_of(database, "made_by")});
        status.oldest_record = time_of(database, "min");
        status.newest_record = time_of(database, "max");
        return status;
    });
}

}  // namespace route::storage
