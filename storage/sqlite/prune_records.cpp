#include "core/timestamps.hpp"
#include "storage/request_ids.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

namespace {

/// So many records a step of prune() looks at: a few milliseconds of holding the lock.
constexpr std::size_t rows_of_step = 500;

/// The first request_ids from `from` on that are older than `before`.
std::vector<std::string> older_records(SQLite::Database& database, SystemTime before, const std::string& from,
                                       std::size_t rows)
{
    SQLite::Statement row{
        database,
        "SELECT request_id FROM records WHERE request_id > ? AND request_id < ? AND created_at < ?"
        " ORDER BY request_id LIMIT ?"};
    row.bind(1, from);
    row.bind(2, request_id_prefix(before + request_id_slack));
    row.bind(3, format_timestamp(before));
    row.bind(4, static_cast<std::int64_t>(rows));
    std::vector<std::string> found;
    while (row.executeStep())
        found.push_back(row.getColumn(0).getString());
    return found;
}

}  // namespace

PruneStep SqliteRepository::prune_step(SystemTime before, std::size_t rows)
{
    return guarded([&] {
        const auto old = older_records(*database_, before, "", rows);
        if (old.empty())
            return PruneStep{};
        WriteTransaction transaction{*database_};
        RowWriter record{*database_, "DELETE FROM records WHERE request_id = ?"};
        RowWriter attempts{*database_, "DELETE FROM attempts WHERE request_id = ?"};
        PruneStep step{0, old.size() < rows};
        for (const auto& request_id : old) {
            step.rows += record.text(request_id).write() ? 1 : 0;
            attempts.text(request_id).write();
        }
        transaction.commit();
        return step;
    });
}

PruneStep SqliteRepository::prune_bodies_step(SystemTime before, std::size_t rows)
{
    return guarded([&] {
        const auto old = older_records(*database_, before, bodies_pruned_to_, rows);
        if (old.empty())
            return PruneStep{};
        WriteTransaction transaction{*database_};
        RowWriter record{*database_,
                         "UPDATE records SET body = '', response = '' WHERE request_id = ? AND (body <> '' "
                         "OR response <> '')"};
        PruneStep step{0, old.size() < rows};
        for (const auto& request_id : old)
            step.rows += record.text(request_id).write() ? 1 : 0;
        transaction.commit();
        bodies_pruned_to_ = old.back();
        return step;
    });
}

std::uint64_t SqliteRepository::prune(SystemTime before)
{
    std::uint64_t rows = 0;
    for (PruneStep step{0, false}; !step.done; rows += step.rows)
        step = prune_step(before, rows_of_step);
    return rows;
}

std::uint64_t SqliteRepository::prune_bodies(SystemTime before)
{
    bodies_pruned_to_.clear();
    std::uint64_t rows = 0;
    for (PruneStep step{0, false}; !step.done; rows += step.rows)
        step = prune_bodies_step(before, rows_of_step);
    return rows;
}

}  // namespace route::storage
