#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "storage/sqlite/record_rows.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

namespace {

struct Group
{
    RecordStats stats;
    std::vector<std::int64_t> elapsed;  ///< of each request: SQLite has no percentiles
};

/// The smallest value that `percent` of all do not exceed, as PostgreSQL's percentile_disc. `values` is
/// reordered.
Nanoseconds percentile(std::vector<std::int64_t>& values, std::size_t percent)
{
    const auto rank = (values.size() * percent + 99) / 100;
    const auto at = values.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(rank, 1) - 1);
    std::nth_element(values.begin(), at, values.end());
    return Nanoseconds{*at};
}

constexpr auto columns =
    "id, request_id, coalesce(model, ''), coalesce(upstream_name, ''), outcome = 'ok', elapsed_time,"
    " prompt_tokens, completion_tokens, total_tokens";

/// So many are read at once.
constexpr std::size_t page_rows = 2'000;

void add(Group& group, SQLite::Statement& row)
{
    ++group.stats.requests;
    ++(row.getColumn(4).getInt() != 0 ? group.stats.ok : group.stats.errors);
    group.elapsed.push_back(row.getColumn(5).getInt64());
    group.stats.prompt_tokens += row.getColumn(6).getInt64();
    group.stats.completion_tokens += row.getColumn(7).getInt64();
    group.stats.total_tokens += row.getColumn(8).getInt64();
}

}  // namespace

std::vector<RecordStats> SqliteRepository::record_stats(const RecordFilter& filter)
{
    return guarded([&] {
        std::map<std::pair<std::string, std::string>, Group> groups;
        RecordPages pages{*database_, filter, columns, page_rows};
        while (pages.next(0, [&](SQLite::Statement& row) {
            add(groups[{row.getColumn(2).getString(), row.getColumn(3).getString()}], row);
            return true;
        })) {
        }
        std::vector<RecordStats> all;
        for (auto& [key, group] : groups) {
            std::tie(group.stats.model, group.stats.upstream) = key;
            group.stats.p50 = percentile(group.elapsed, 50);
            group.stats.p95 = percentile(group.elapsed, 95);
            all.push_back(std::move(group.stats));
        }
        std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
            return std::tie(b.requests, a.model, a.upstream) < std::tie(a.requests, b.model, b.upstream);
        });
        return all;
    });
}

}  // namespace route::storage
