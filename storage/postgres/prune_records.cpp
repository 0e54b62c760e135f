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

/// A step of prune(), for people.
constexpr PruneBounds large_steps{5000, 64u << 20, {}};

/// What a row's texts take on the server's disk. Neither this nor octet_length() reads them.
constexpr auto stored_bytes =
    "coalesce(pg_column_size(body), 0)::bigint + coalesce(pg_column_size(response), 0)";

/// The first rows of a query for request_id and `bytes`, as many as fit: WITH … AS.
std::string first_of(const std::string& query, const PruneBounds& bounds)
{
    return fmt::format(
        "page AS ({} ORDER BY request_id LIMIT {}),"
        " old AS (SELECT request_id, bytes FROM (SELECT request_id, bytes, sum(bytes) OVER (ORDER BY "
        "request_id"
        " ROWS UNBOUNDED PRECEDING) AS up_to FROM page) summed WHERE up_to - bytes < {})",
        query, bounds.rows, bounds.bytes);
}

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

/// Of one partition.
PruneStep delete_some(pqxx::transaction_base& transaction, const std::string& suffix, SystemTime before,
                      const PruneBounds& bounds)
{
    const auto old = fmt::format(
        "SELECT request_id, {} AS bytes FROM records_{} WHERE request_id < $1::uuid AND created_at < "
        "$2::timestamptz",
        stored_bytes, suffix);
    const auto counts =
        Parameters{}
            .text(least_request_id(before + request_id_slack))
            .text(format_timestamp(before))
            .execute(
                transaction,
                fmt::format(
                    "WITH {}, of_old AS (DELETE FROM attempts a USING old WHERE a.request_id = "
                    "old.request_id),"
                    " deleted AS (DELETE FROM records_{} r USING old WHERE r.request_id = old.request_id"
                    " RETURNING old.bytes)"
                    " SELECT (SELECT count(*) FROM page), (SELECT count(*) FROM old), (SELECT count(*) FROM "
                    "deleted), (SELECT coalesce(sum(bytes), 0) FROM deleted)::bigint",
                    first_of(old, bounds), suffix));
    const auto found = counts[0][0].as<std::size_t>();
    return {counts[0][2].as<std::uint64_t>(), found < bounds.rows && counts[0][1].as<std::size_t>() == found,
            counts[0][3].as<std::uint64_t>()};
}

PruneStep delete_some(pqxx::transaction_base& transaction, SystemTime before, PruneBounds bounds,
                      bool exactly)
{
    PruneStep all;
    for (const auto& suffix : to_thin_out(transaction, before, exactly)) {
        const auto step = delete_some(transaction, suffix, before, bounds);
        all.rows += step.rows;
        all.bytes += step.bytes;
        all.done = step.done && step.rows < bounds.rows && step.bytes < bounds.bytes;
        if (!all.done)
            break;
        bounds.rows -= step.rows;
        bounds.bytes -= step.bytes;
    }
    return all;
}

/// The oldest that are older than `before`; how many. What another transaction is at stays for a later step:
/// it has locked its rows in another order.
std::size_t forget_made(pqxx::transaction_base& transaction, SystemTime before, std::size_t rows)
{
    const auto erased =
        Parameters{}
            .text(format_timestamp(before))
            .execute(transaction,
                     fmt::format("WITH old AS (SELECT id_hash FROM made_by WHERE created_at < $1::timestamptz"
                                 " ORDER BY created_at LIMIT {} FOR UPDATE SKIP LOCKED)"
                                 " DELETE FROM made_by USING old WHERE made_by.id_hash = old.id_hash",
                                 rows));
    return static_cast<std::size_t>(erased.affected_rows());
}

PruneStep prune_some(pqxx::transaction_base& transaction, SystemTime before, const PruneBounds& bounds,
                     bool exactly)
{
    if (const auto dropped = drop_one(transaction, before, exactly))
        return {*dropped, false};
    auto step = delete_some(transaction, before, bounds, exactly);
    step.done = step.done && forget_made(transaction, before, bounds.rows) < bounds.rows;
    return step;
}

PruneStep empty_some(pqxx::transaction_base& transaction, SystemTime before, const PruneBounds& bounds)
{
    auto from = state(transaction, bodies_pruned_to);
    if (from.empty())
        from = least_request_id({});
    const auto old = fmt::format(
        "SELECT request_id, {} AS bytes FROM records WHERE request_id > $1::uuid AND request_id < $2::uuid"
        " AND created_at < $3::timestamptz",
        stored_bytes);
    const auto range =
        Parameters{}
            .text(from)
            .text(least_request_id(before + request_id_slack))
            .text(format_timestamp(before))
            .execute(transaction,
                     fmt::format(
                         "WITH {} SELECT (SELECT count(*) FROM page), count(*), (SELECT request_id FROM old"
                         " ORDER BY request_id DESC LIMIT 1), coalesce(sum(bytes), 0)::bigint FROM old",
                         first_of(old, bounds)));
    const auto found = range[0][0].as<std::size_t>();
    if (found == 0)
        return {};
    const auto last = range[0][2].as<std::string>();
    const auto emptied = Parameters{}
                             .text(from)
                             .text(last)
                             .text(format_timestamp(before))
                             .execute(transaction,
                                      "UPDATE records SET body = '', response = '' WHERE request_id > "
                                      "$1::uuid AND request_id <= $2::uuid"
                                      " AND created_at < $3::timestamptz AND (body <> '' OR response <> '')");
    set_state(transaction, bodies_pruned_to, last);
    return {static_cast<std::uint64_t>(emptied.affected_rows()),
            found < bounds.rows && range[0][1].as<std::size_t>() == found, range[0][3].as<std::uint64_t>()};
}

/// A row keeps out of line what is larger; what is smaller gives nothing back when it goes.
constexpr std::size_t inline_bytes = 2000;

/// Empties the first large ones behind `from`, which moves on.
PruneStep empty_large(pqxx::transaction_base& transaction, SystemTime before, const PruneBounds& bounds,
                      std::string& from)
{
    constexpr int looks = 2000;
    const auto page =
        Parameters{}
            .text(from)
            .text(least_request_id(before))
            .execute(transaction,
                     fmt::format("SELECT request_id, {} FROM records WHERE request_id > $1::uuid AND"
                                 " request_id < $2::uuid ORDER BY request_id LIMIT {}",
                                 stored_bytes, looks));
    PruneStep step{0, page.size() < looks};
    std::string ids;
    for (const auto& row : page) {
        if (step.rows >= bounds.rows || step.bytes >= bounds.bytes) {
            step.done = false;
            break;
        }
        from = row[0].as<std::string>();
        const auto bytes = row[1].as<std::uint64_t>();
        if (bytes <= inline_bytes)
            continue;
        ids += (ids.empty() ? "" : ",") + from;
        ++step.rows;
        step.bytes += bytes;
    }
    if (step.rows > 0)
        Parameters{}
            .text("{" + ids + "}")
            .execute(transaction,
                     "UPDATE records SET body = '', response = '' WHERE request_id = ANY ($1::uuid[])");
    return step;
}

/// What one row of `made_by` takes, its indexes included.
constexpr std::size_t made_bytes = 200;

/// What was made for records that are gone.
PruneStep forget_made_for_none(pqxx::transaction_base& transaction, const PruneBounds& bounds)
{
    const auto all = partitions(transaction);
    const auto rows = all.empty() ? 0 : forget_made(transaction, all.front().from, bounds.rows);
    return {0, rows < bounds.rows, rows * made_bytes};
}

/// Drops the oldest partition that nothing is written to any more.
PruneStep drop_oldest_ended(pqxx::transaction_base& transaction, SystemTime now)
{
    const auto all = partitions(transaction);
    if (all.empty() || all.front().to > now - request_id_slack)
        return {};
    const auto bytes = transaction
                           .exec(fmt::format("SELECT pg_total_relation_size('records_{0}'::regclass)",
                                             all.front().suffix))[0][0]
                           .as<std::uint64_t>();
    const auto rows = drop_one(transaction, now, false);
    return {rows.value_or(0), !rows, bytes};
}

}  // namespace

PruneStep PostgresRepository::prune_step(SystemTime before, const PruneBounds& bounds)
{
    return transact([&](pqxx::work& work) {
        // Another router, which has the lock, may be doing the same.
        return try_lock_schema(work) ? prune_some(work, by_server_clock(work, before), bounds, false)
                                     : PruneStep{};
    });
}

PruneStep PostgresRepository::prune_bodies_step(SystemTime before, const PruneBounds& bounds)
{
    return transact([&](pqxx::work& work) {
        return try_lock_schema(work) ? empty_some(work, by_server_clock(work, before), bounds) : PruneStep{};
    });
}

PruneStep PostgresRepository::shrink_step(const PruneBounds& bounds)
{
    auto from = shrunk_to_.empty() ? least_request_id({}) : shrunk_to_;
    const auto step = transact([&](pqxx::work& work) {
        if (!try_lock_schema(work))
            return PruneStep{};
        const auto now = by_server_clock(work, std::chrono::system_clock::now());
        auto emptied = empty_large(work, now, bounds, from);
        if (emptied.done && emptied.rows == 0) {
            const auto forgotten = forget_made_for_none(work, bounds);
            return forgotten.done ? drop_oldest_ended(work, now) : forgotten;
        }
        emptied.done = false;
        return emptied;
    });
    shrunk_to_ = step.done ? std::string{} : from;
    return step;
}

std::uint64_t PostgresRepository::prune(SystemTime before, const PruneProgress& progress)
{
    std::uint64_t rows = 0;
    for (PruneStep step{0, false}; !step.done;) {
        patiently([&] {
            step = transact([&](pqxx::work& work) {
                lock_schema(work);
                return prune_some(work, before, large_steps, true);
            });
        });
        rows += step.rows;
        if (progress)
            progress(rows);
    }
    return rows;
}

std::uint64_t PostgresRepository::prune_bodies(SystemTime before, const PruneProgress& progress)
{
    transact([](pqxx::work& work) { set_state(work, bodies_pruned_to, least_request_id({})); });
    std::uint64_t rows = 0;
    for (PruneStep step{0, false}; !step.done;) {
        patiently([&] {
            step = transact([&](pqxx::work& work) {
                lock_schema(work);
                return empty_some(work, before, large_steps);
            });
        });
        rows += step.rows;
        if (progress)
            progress(rows);
    }
    return rows;
}

}  // namespace route::storage
