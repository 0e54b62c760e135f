#include <fmt/format.h>

#include <algorithm>

#include "core/timestamps.hpp"
#include "storage/postgres/migrations.hpp"
#include "storage/postgres/partitions.hpp"
#include "storage/postgres/postgres_repository.hpp"
#include "storage/request_ids.hpp"

namespace route::storage {

using namespace postgres;

namespace {

/// So many records a step of prune() deletes one by one.
constexpr std::size_t rows_of_step = 5000;

/// Whether it is left until it can be dropped: soon, compared to how long its records were kept.
bool droppable_soon(const Partition& partition, SystemTime before)
{
    const auto tolerance = std::max<SystemTime::duration>(std::chrono::days{1},
                                                          (std::chrono::system_clock::now() - before) / 20);
    return partition.to - before <= tolerance;
}

std::uint64_t live_rows(pqxx::transaction_base& transaction, const std::string& table, bool exactly)
{
    const auto sql = exactly ? fmt::format("SELECT count(*) FROM {}", table)
                             : fmt::format("SELECT pg_stat_get_live_tuples('{}'::regclass)", table);
    return transaction.exec(sql)[0][0].as<std::uint64_t>();
}

/// Drops the oldest partition of each table that is older as a whole; how many records went.
std::optional<std::uint64_t> drop_one(pqxx::transaction_base& transaction, SystemTime before, bool count)
{
    before -= request_id_slack;
    const auto all = partitions(transaction);
    const bool is_old = !all.empty() && all.front().to <= before;
    const auto rows = is_old ? live_rows(transaction, "records_" + all.front().suffix, count) : 0;
    if (!drop_oldest(transaction, before))
        return {};
    return rows;
}

/// Partitions from which older records are deleted one by one.
std::vector<std::string> to_thin_out(pqxx::transaction_base& transaction, SystemTime before, bool exactly)
{
    std::vector<std::string> suffixes{"default"};
    for (const auto& partition : partitions(transaction))
        if (partition.from < before && (exactly || !droppable_soon(partition, before)))
            suffixes.push_back(partition.suffix);
    return suffixes;
}

std::uint64_t delete_some(pqxx::transaction_base& transaction, const std::string& suffix, SystemTime before,
                          std::size_t rows)
{
    const auto deleted =
        Parameters{}
            .text(least_request_id(before + request_id_slack))
            .text(format_timestamp(before))
            .execute(transaction,
                     fmt::format(
                         "WITH old AS (SELECT request_id FROM records_{0} WHERE request_id < $1::uuid"
                         " AND created_at < $2::timestamptz ORDER BY request_id LIMIT {1}),"
                         " of_old AS (DELETE FROM attempts a USING old WHERE a.request_id = old.request_id)"
                         " DELETE FROM records_{0} r USING old WHERE r.request_id = old.request_id",
                         suffix, rows));
    return static_cast<std::uint64_t>(deleted.affected_rows());
}

PruneStep delete_some(pqxx::transaction_base& transaction, SystemTime before, std::size_t rows, bool exactly)
{
    std::uint64_t deleted = 0;
    for (const auto& suffix : to_thin_out(transaction, before, exactly)) {
        deleted += delete_some(transaction, suffix, before, rows - deleted);
        if (deleted == rows)
            return {deleted, false};
    }
    return {deleted, true};
}

PruneStep prune_some(pqxx::transaction_base& transaction, SystemTime before, std::size_t rows, bool exactly)
{
    if (const auto dropped = drop_one(transaction, before, exactly))
        return {*dropped, false};
    return delete_some(transaction, before, rows, exactly);
}

PruneStep empty_some(pqxx::transaction_base& transaction, SystemTime before, std::size_t rows)
{
    auto from = state(transaction, bodies_pruned_to);
    if (from.empty())
        from = least_request_id({});
    const auto old =
        Parameters{}
            .text(from)
            .text(least_request_id(before + request_id_slack))
            .text(format_timestamp(before))
            .execute(transaction, fmt::format("SELECT request_id FROM records WHERE request_id > $1::uuid AND"
                                              " request_id < $2::uuid AND created_at < $3::timestamptz"
                                              " ORDER BY request_id LIMIT {}",
                                              rows));
    if (old.empty())
        return {};
    const auto last = old[old.size() - 1][0].as<std::string>();
    const auto emptied = Parameters{}
                             .text(from)
                             .text(last)
                             .text(format_timestamp(before))
                             .execute(transaction,
                                      "UPDATE records SET body = '', response = '' WHERE request_id > "
                                      "$1::uuid AND request_id <= $2::uuid"
                                      " AND created_at < $3::timestamptz AND (body <> '' OR response <> '')");
    set_state(transaction, bodies_pruned_to, last);
    return {static_cast<std::uint64_t>(emptied.affected_rows()), static_cast<std::size_t>(old.size()) < rows};
}

}  // namespace

PruneStep PostgresRepository::prune_step(SystemTime before, std::size_t rows)
{
    return transact([&](pqxx::work& work) {
        // Another router, which has the lock, may be doing the same.
        return try_lock_schema(work) ? prune_some(work, by_server_clock(work, before), rows, false)
                                     : PruneStep{};
    });
}

PruneStep PostgresRepository::prune_bodies_step(SystemTime before, std::size_t rows)
{
    return transact([&](pqxx::work& work) {
        return try_lock_schema(work) ? empty_some(work, by_server_clock(work, before), rows) : PruneStep{};
    });
}

std::uint64_t PostgresRepository::prune(SystemTime before)
{
    std::uint64_t rows = 0;
    for (PruneStep step{0, false}; !step.done; rows += step.rows)
        patiently([&] {
            step = transact([&](pqxx::work& work) {
                lock_schema(work);
                return prune_some(work, before, rows_of_step, true);
            });
        });
    return rows;
}

std::uint64_t PostgresRepository::prune_bodies(SystemTime before)
{
    transact([](pqxx::work& work) { set_state(work, bodies_pruned_to, least_request_id({})); });
    std::uint64_t rows = 0;
    for (PruneStep step{0, false}; !step.done; rows += step.rows)
        patiently([&] {
            step = transact([&](pqxx::work& work) {
                lock_schema(work);
                return empty_some(work, before, rows_of_step);
            });
        });
    return rows;
}

}  // namespace route::storage
