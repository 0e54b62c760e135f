#include <fmt/format.h>

#include "storage/postgres/postgres_repository.hpp"
#include "storage/postgres/record_rows.hpp"

namespace route::storage {

using namespace postgres;

std::vector<RecordStats> PostgresRepository::record_stats(const RecordFilter& filter)
{
    const FilterSql conditions{filter};
    const auto rows = transact([&](pqxx::work& work) {
        return conditions.parameters().execute(
            work, fmt::format(
                      "SELECT coalesce(model, '') COLLATE \"C\", coalesce(upstream_name, '') COLLATE \"C\", "
                      "count(*),"
                      " count(*) FILTER (WHERE outcome = 'ok'),"
                      " percentile_disc(0.5) WITHIN GROUP (ORDER BY coalesce(elapsed_time, 0)),"
                      " percentile_disc(0.95) WITHIN GROUP (ORDER BY coalesce(elapsed_time, 0)),"
                      " coalesce(sum(prompt_tokens), 0)::bigint, coalesce(sum(completion_tokens), 0)::bigint,"
                      " coalesce(sum(total_tokens), 0)::bigint FROM records{}"
                      " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2",
                      conditions.where()));
    });
    std::vector<RecordStats> all;
    for (const auto& row : rows) {
        auto& stats = all.emplace_back();
        stats.model = row[0].as<std::string>();
        stats.upstream = row[1].as<std::string>();
        stats.requests = row[2].as<std::uint64_t>();
        stats.ok = row[3].as<std::uint64_t>();
        stats.errors = stats.requests - stats.ok;
        stats.p50 = Nanoseconds{row[4].as<std::int64_t>()};
        stats.p95 = Nanoseconds{row[5].as<std::int64_t>()};
        stats.prompt_tokens = row[6].as<std::int64_t>();
        stats.completion_tokens = row[7].as<std::int64_t>();
        stats.total_tokens = row[8].as<std::int64_t>();
    }
    return all;
}

}  // namespace route::storage
