#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/failover/upstream.hpp"
#include "storage/postgres/pqxx.hpp"
#include "storage/repository.hpp"

namespace route::storage::postgres {

// `records` and `attempts` are partitioned by ranges of request_id, which are ranges of time. The partitions
// of both tables have the same ranges and end in the same `_pYYYYMMDD`, the day (UTC) they begin with; what
// is in none of them is in `_default`. To be called with the schema lock held, but for partitions().

struct Partition
{
    std::string suffix;  ///< "p20260131"
    SystemTime from{};
    SystemTime to{};  ///< exclusive
};

/// Of one of the two tables, without the default one; by time.
std::vector<Partition> partitions(pqxx::transaction_base& transaction, const std::string& table = "records");

/// Of a database that does not yet know how long it keeps what.
inline constexpr int first_partition_days = 1;

/// How long a partition should be: with a retention a thirtieth of it, so that it is kept to by dropping
/// them, but at least a day; else four weeks, the most, for their number is paid for by each search.
int partition_days(std::optional<Seconds> retention);

/// Makes those that are missing for `days` and a day from `now` on, each `days` long. Rows that were in the
/// default partition meanwhile move.
void make_partitions(pqxx::transaction_base& transaction, SystemTime now, int days);

/// The same for the past, five years at most, for records that are to be brought in: weeks that no partition
/// covers.
void make_partitions_back_to(pqxx::transaction_base& transaction, SystemTime oldest, SystemTime now);

/// Drops those of both tables that end by `before`, the oldest of each; false when there is none.
bool drop_oldest(pqxx::transaction_base& transaction, SystemTime before);

/// To be called before the tables are locked: all that insert queue behind a lock that is waited for. Who
/// does not get it tries again another time.
void limit_lock_waits(pqxx::transaction_base& transaction);

}  // namespace route::storage::postgres
