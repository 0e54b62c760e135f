
#include "core/timestamps.hpp"
#include "storage/inserting.hpp"
#include "storage/request_ids.hpp"
#include "storage/sqlite/record_rows.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

namespace {

/// So much is read at once, and so long the database is held for it.
constexpr std::size_t page_with_bodies = 200;
constexpr std::size_t page_without_bodies = 2'000;
constexpr std::size_t page_bytes = 8u << 20;

}  // namespace

void SqliteRepository::for_each_record(const RecordFilter& filter,
                                       const std::function<bool(const StoredRecord&)>& visit)
{
    const bool large = filter.bodies || !filter.grep.empty();
    RecordPages pages{*database_, filter, record_columns(filter.bodies),
                      large ? page_with_bodies : page_without_bodies};
    std::vector<StoredRecord> page;
    const auto read_page = [&](std::size_t limit) {
        page.clear();
        std::size_t bytes = 0;
        return guarded([&] {
            return pages.next(limit, [&](SQLite::Statement& row) {
                page.push_back(read_record(row));
                bytes += page.back().record.body.size() + page.back().record.response.size();
                return bytes < page_bytes;
            });
        });
    };
    std::size_t visited = 0;
    while ((filter.limit == 0 || visited < filter.limit) &&
           read_page(filter.limit == 0 ? 0 : filter.limit - visited))
        for (const auto& stored : page) {
            if (!visit(stored))
                return;
            ++visited;
        }
}

std::optional<StoredRecord> SqliteRepository::find_record(const std::string& id)
{
    return guarded([&]() -> std::optional<StoredRecord> {
        const auto number = record_number(id);
        SQLite::Statement row{*database_, "SELECT " + record_columns(true) + " FROM records WHERE " +
                                              (number ? "id = ?" : "request_id = ?")};
        if (number)
            row.bind(1, *number);
        else
            row.bind(1, id);
        if (!row.executeStep())
            return {};
        auto found = read_record(row);
        found.record.attempts = read_attempts(*database_, found.record.request_id);
        return found;
    });
}

std::int64_t SqliteRepository::newest_record_id()
{
    return guarded(
        [&] { return database_->execAndGet("SELECT coalesce(max(id), 0) FROM records").getInt64(); });
}

std::uint64_t SqliteRepository::record_count()
{
    return guarded([&] {
        return static_cast<std::uint64_t>(database_->execAndGet("SELECT count(*) FROM records").getInt64());
    });
}

std::vector<MadeBy> SqliteRepository::makers_of(std::span<const IdHash> ids, std::chrono::milliseconds bound)
{
    check_file();
    return guarded([&] {
        wait_for_locks(bound);
        SQLite::Statement row{*database_, "SELECT upstream_name FROM made_by WHERE id_hash = ?"};
        std::vector<MadeBy> known;
        for (const auto& id : ids) {
            row.reset();
            row.bindNoCopy(1, id.data(), static_cast<int>(id.size()));
            if (row.executeStep())
                known.push_back({id, row.getColumn(0).getString()});
        }
        return known;
    });
}

std::vector<Record> SqliteRepository::records_after(const std::string& request_id, std::size_t rows,
                                                    std::size_t bytes)
{
    return guarded([&] {
        std::vector<Record> found;
        std::size_t held = 0;
        SQLite::Statement row{*database_, "SELECT " + record_columns(true) +
                                              " FROM records WHERE request_id > ? ORDER BY request_id"};
        row.bind(1, request_id);
        while (found.size() < rows && held < bytes && row.executeStep()) {
            auto record = read_record(row).record;
            record.attempts = read_attempts(*database_, record.request_id);
            record.made_ids = read_made_ids(*database_, record);
            held += bytes_of(std::span{&record, 1});
            found.push_back(std::move(record));
        }
        return found;
    });
}

void SqliteRepository::erase_records(std::span<const Record> records)
{
    guarded([&] {
        WriteTransaction transaction{*database_};
        RowWriter record{*database_, "DELETE FROM records WHERE request_id = ?"};
        RowWriter attempts{*database_, "DELETE FROM attempts WHERE request_id = ?"};
        RowWriter made{*database_, "DELETE FROM made_by WHERE id_hash = ? AND created_at <= ?"};
        for (const auto& erased : records) {
            record.text(erased.request_id).write();
            attempts.text(erased.request_id).write();
            const auto created_at = format_timestamp(erased.created_at);
            for (const auto& id : erased.made_ids)
                made.blob(id).text(created_at).write();
        }
        transaction.commit();
    });
}

}  // namespace route::storage
