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
constexpr Days most_years{5 * 366};
constexpr int most_strays = 20'000;  ///< that are moved at once
constexpr std::int64_t most_stray_bytes = 64 << 20;
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

bool has_table(pqxx::transaction_base& transaction, const std::string& name)
{
    return !Parameters{}
                .text(name)
                .execute(transaction,
                         "SELECT 1 FROM pg_class WHERE relname = $1 AND pg_table_is_visible(oid)")
                .empty();
}

/// Usually the day; another where somebody kept a partition that was taken off.
std::string free_suffix(pqxx::transaction_base& transaction, const std::string& table, SystemTime from)
{
    const auto day = fmt::format("p{:%Y%m%d}", fmt::gmtime(std::chrono::system_clock::to_time_t(from)));
    for (int number = 1;; ++number) {
        auto suffix = number == 1 ? day : fmt::format("{}_{}", day, number);
        if (!has_table(transaction, fmt::format("{}_{}", table, suffix)))
            return suffix;
    }
}

std::string range_condition(SystemTime from, SystemTime to)
{
    return fmt::format("request_id >= '{}' AND request_id < '{}'", least_request_id(from),
                       least_request_id(to));
}

/// Attached rather than made as a partition: others go on writing meanwhile, but for the default partition.
void make_partition(pqxx::transaction_base& transaction, const std::string& table, SystemTime from,
                    SystemTime to)
{
    const auto name = fmt::format("{}_{}", table, free_suffix(transaction, table, from));
    transaction.exec(fmt::format("CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)", name, table));
    transaction.exec(
        fmt::format("WITH strays AS (DELETE FROM {}_default WHERE {} RETURNING *)"
                    " INSERT INTO {} SELECT * FROM strays",
                    table, range_condition(from, to), name));
    transaction.exec(fmt::format("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ('{}') TO ('{}')", table,
                                 name, least_request_id(from), least_request_id(to)));
}

/// Where partitions can begin: behind the last stray of the range when there are more than can be moved at
/// once.
SystemTime behind_strays(pqxx::transaction_base& transaction, SystemTime from, SystemTime to)
{
    const auto strays = transaction.exec(fmt::format(
        "SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM (SELECT coalesce(octet_length(body), "
        "0)::bigint"
        " + coalesce(octet_length(response), 0) AS bytes FROM records_default WHERE {} LIMIT {}) strays",
        range_condition(from, to), most_strays + 1));
    if (strays[0][0].as<int>() <= most_strays && strays[0][1].as<std::int64_t>() <= most_stray_bytes)
        return from;
    const auto last = transaction.exec(
        fmt::format("SELECT request_id FROM records_default WHERE {} ORDER BY request_id DESC LIMIT 1",
                    range_condition(from, to)));
    return start_of_day(time_of_request_id(last[0][0].as<std::string>())) + Days{1};
}

void fill(pqxx::transaction_base& transaction, const std::string& table, SystemTime from, SystemTime until,
          int days)
{
    auto there = partitions(transaction, table);
    there.push_back({{}, SystemTime::max(), SystemTime::max()});
    for (const auto& partition : there) {
        while (from < std::min(partition.from, until)) {
            const auto to = std::min(from + Days{days}, partition.from);
            const auto begin = std::min(behind_strays(transaction, from, to), to);
            if (begin < to)
                make_partition(transaction, table, begin, to);
            from = to;
        }
        from = std::max(from, partition.to);
    }
}

bool covers(const std::vector<Partition>& there, SystemTime from, SystemTime until)
{
    for (const auto& partition : there)
        if (partition.from <= from && partition.to > from)
            from = partition.to;
    return from >= until;
}

/// Fills what no partition covers of the days from `from` to `until`; the last one may go beyond.
void fill(pqxx::transaction_base& transaction, SystemTime from, SystemTime until, int days)
{
    if (covers(partitions(transaction, "records"), from, until) &&
        covers(partitions(transaction, "attempts"), from, until))
        return;
    limit_lock_waits(transaction);
    // Nothing may stray in between; in the order in which inserts take them.
    transaction.exec("LOCK TABLE attempts_default, records_default IN ACCESS EXCLUSIVE MODE");
    for (const char* table : tables)
        fill(transaction, table, from, until, days);
}

}  // namespace

std::vector<Partition> partitions(pqxx::transaction_base& transaction, const std::string& table)
{
    const auto prefix = table + "_";
    const auto rows = Parameters{}.text(table).execute(
        transaction,
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = "
        "i.inhrelid"
        " WHERE i.inhparent = $1::regclass");
    std::vector<Partition> found;
    for (const auto& row : rows) {
        const auto name = row[0].as<std::string>();
        const auto bounds = row[1].as<std::string>();
        const auto from = bound_in(bounds, 0);
        const auto to = bound_in(bounds, 1);
        if (!to.empty() && name.starts_with(prefix))
            found.push_back({name.substr(prefix.size()), time_of_request_id(from), time_of_request_id(to)});
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
    fill(transaction, start_of_day(now), now + Days{days} + Days{1}, days);
}

void make_partitions_back_to(pqxx::transaction_base& transaction, SystemTime oldest, SystemTime now)
{
    // A clock that was wrong must not make thousands of them: what is older goes to the default one.
    const auto from = std::max(oldest, now - most_years);
    const auto days = std::clamp(static_cast<int>((now - from) / Days{52}), 7, most_days);
    fill(transaction, start_of_day(from), now, days);
}

bool drop_oldest(pqxx::transaction_base& transaction, SystemTime before)
{
    std::string names;
    for (const char* table : tables)
        if (const auto all = partitions(transaction, table); !all.empty() && all.front().to <= before)
            names += fmt::format("{}{}_{}", names.empty() ? "" : ", ", table, all.front().suffix);
    if (names.empty())
        return false;
    limit_lock_waits(transaction);
    // All at once: who has one and waits for the other holds up every insert.
    transaction.exec("LOCK TABLE attempts, records IN ACCESS EXCLUSIVE MODE");
    transaction.exec("DROP TABLE " + names);
    return true;
}

void limit_lock_waits(pqxx::transaction_base& transaction)
{
    transaction.exec("SET LOCAL lock_timeout = 100");
}

}  // namespace route::storage::postgres
