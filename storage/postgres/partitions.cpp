#include "storage/postgres/partitions.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "storage/request_ids.hpp"

namespace route::storage::postgres {

namespace {

using Days = std::chrono::days;

constexpr int most_days = 28;
constexpr int partitions_in_retention = 30;
constexpr std::array tables{"records", "attempts"};

SystemTime start_of_day(SystemTime time)
{
    return std::chrono::floor<Days>(time);
}

/// The `which`th quoted text in `FOR VALUES FROM ('…') TO ('…')`; "" when there is none.
std::string bound_in(const std::string& expression, int which)
{
    std::size_t from = 0;
    for (;; --which) {
        const auto open = expression.find('\'', from);
        const auto close = expression.find('\'', open + 1);
        if (open == std::string::npos || close == std::string::npos)
            return {};
        if (which == 0)
            return expression.substr(open + 1, close - open - 1);
        from = close + 1;
    }
}

std::string suffix_of(SystemTime from)
{
    return fmt::format("p{:%Y%m%d}", fmt::gmtime(std::chrono::system_clock::to_time_t(from)));
}

/// Attached rather than made as a partition: others go on writing meanwhile (only the default partition is
/// locked).
void make_partition(pqxx::transaction_base& transaction, const char* table, const Partition& partition)
{
    const auto name = fmt::format("{}_{}", table, partition.suffix);
    const auto least = least_request_id(partition.from);
    const auto beyond = least_request_id(partition.to);
    transaction.exec(fmt::format("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)", name, table));
    transaction.exec(fmt::format(
        "WITH strays AS (DELETE FROM {}_default WHERE request_id >= '{}' AND request_id < '{}' RETURNING *)"
        " INSERT INTO {} SELECT * FROM strays",
        table, least, beyond, name));
    transaction.exec(fmt::format("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ('{}') TO ('{}')", table,
                                 name, least, beyond));
}

void make_partition(pqxx::transaction_base& transaction, SystemTime from, SystemTime to)
{
    for (const char* table : tables)
        make_partition(transaction, table, {suffix_of(from), from, to});
}

}  // namespace

std::vector<Partition> partitions(pqxx::transaction_base& transaction)
{
    const auto rows = transaction.exec(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = "
        "i.inhrelid"
        " WHERE i.inhparent = 'records'::regclass");
    std::vector<Partition> found;
    for (const auto& row : rows) {
        const auto name = row[0].as<std::string>();
        const auto bounds = row[1].as<std::string>();
        const auto from = bound_in(bounds, 0);
        const auto to = bound_in(bounds, 1);
        if (!to.empty() && name.starts_with("records_"))
            found.push_back(
                {name.substr(sizeof("records_") - 1), time_of_request_id(from), time_of_request_id(to)});
    }
    std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.from < b.from; });
    return found;
}

int partition_days(std::optional<Seconds> retention)
{
    if (!retention)
        return most_days;
    const auto days = std::chrono::duration<double, std::ratio<86'400>>(*retention).count();
    return std::clamp(static_cast<int>(days / partitions_in_retention), 1, most_days);
}

void make_partitions(pqxx::transaction_base& transaction, SystemTime now, int days)
{
    const auto there = partitions(transaction);
    const auto until = now + Days{days} + Days{1};
    auto from = start_of_day(now);
    for (const auto& partition : there)
        if (partition.to > from)
            from = partition.to;
    for (; from < until; from += Days{days})
        make_partition(transaction, from, from + Days{days});
}

void make_partitions_back_to(pqxx::transaction_base& transaction, SystemTime oldest)
{
    auto from = start_of_day(oldest);
    for (const auto& partition : partitions(transaction)) {
        while (from < partition.from) {
            const auto to = std::min(from + Days{7}, partition.from);
            make_partition(transaction, from, to);
            from = to;
        }
        from = std::max(from, partition.to);
    }
}

void drop_partition(pqxx::transaction_base& transaction, const Partition& partition)
{
    for (const char* table : tables)
        transaction.exec(fmt::format("DROP TABLE {}_{}", table, partition.suffix));
}

}  // namespace route::storage::postgres
