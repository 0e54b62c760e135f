#include <fmt/format.h>

#include <algorithm>

#include "storage/postgres/migrations.hpp"
#include "storage/postgres/partitions.hpp"
#include "storage/postgres/postgres_repository.hpp"
#include "storage/request_ids.hpp"

namespace route::storage {

using namespace postgres;

namespace {

/// So many rows are counted; more are estimated.
constexpr double worth_counting = 100'000;

DatabaseStatus::Table table_status(pqxx::transaction_base& transaction, const std::string& name)
{
    // Of the table itself or, when it is partitioned, of all its partitions; before the first ANALYZE (-1)
    // what the statistics say.
    const auto sums = Parameters{}.text(name).execute(
        transaction,
        "SELECT coalesce(sum(greatest(reltuples, pg_stat_get_live_tuples(oid))), 0)::double precision,"
        " coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class WHERE oid = $1::regclass"
        " OR oid IN (SELECT relid FROM pg_partition_tree($1::regclass) WHERE isleaf)");
    DatabaseStatus::Table table;
    table.name = name;
    table.bytes = sums[0][1].as<std::uint64_t>();
    const auto estimate = sums[0][0].as<double>();
    table.estimated = estimate > worth_counting;
    table.rows =
        table.estimated
            ? static_cast<std::uint64_t>(estimate)
            : transaction.exec(fmt::format("SELECT count(*) FROM {}", name))[0][0].as<std::uint64_t>();
    return table;
}

std::optional<SystemTime> time_of(pqxx::transaction_base& transaction, const char* order)
{
    const auto found =
        transaction.exec(fmt::format("SELECT request_id FROM records ORDER BY request_id {} LIMIT 1", order));
    return found.empty() ? std::nullopt : std::optional{time_of_request_id(found[0][0].as<std::string>())};
}

}  // namespace

DatabaseSize PostgresRepository::size()
{
    // Four chunks of what is kept out of line fill a page. A table whose statistics are lost seems to be
    // free.
    return transact([](pqxx::work& work) {
        const auto row = work.exec(
            "SELECT pg_database_size(current_database()), coalesce(sum(greatest(0, pg_relation_size(oid)"
            " - 2048 * pg_stat_get_live_tuples(oid))), 0)::bigint FROM pg_class WHERE oid IN (SELECT "
            "reltoastrelid"
            " FROM pg_class WHERE oid IN (SELECT relid FROM pg_partition_tree('records'::regclass) WHERE "
            "isleaf))");
        const auto bytes = row[0][0].as<std::uint64_t>();
        return DatabaseSize{bytes, bytes - std::min(bytes, row[0][1].as<std::uint64_t>())};
    });
}

DatabaseStatus PostgresRepository::status()
{
    return transact([&](pqxx::work& work) {
        DatabaseStatus status;
        const auto server =
            work.exec("SELECT current_setting('server_version'), pg_database_size(current_database())");
        status.server = "PostgreSQL " + server[0][0].as<std::string>();
        status.bytes = server[0][1].as<std::uint64_t>();
        status.schema_version = schema_version(work);
        for (const char* table : {"openai_upstreams", "client_keys", "records", "attempts", "made_by"})
            status.tables.push_back(table_status(work, table));
        status.oldest_record = time_of(work, "ASC");
        status.newest_record = time_of(work, "DESC");
        status.partitions = partitions(work).size();
        return status;
    });
}

}  // namespace route::storage
