#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/client_key.hpp"
#include "core/failover/upstream.hpp"
#include "core/record.hpp"

namespace route::storage {

/// Why the database did not do it. Thrown by repositories; caught by the record writer, the change feed and
/// the command line.
class StorageError : public std::runtime_error
{
  public:
    enum class Kind
    {
        unavailable,  ///< locked, full, away, read-only: the same call may succeed later
        conflict,     ///< a unique key is taken; the message names which
        rejected,     ///< this row itself is refused: trying again is useless
        broken,       ///< newer schema, missing tables, a statement that does not fit them
        damaged,      ///< the file is no database, or not a whole one
    };
    StorageError(Kind kind, const std::string& message) : std::runtime_error{message}, kind_{kind} {}
    Kind kind() const { return kind_; }

  private:
    Kind kind_;
};

/// Filters of `record list/show/tail/stats/prune/export`; all given ones must hold.
struct RecordFilter
{
    std::optional<SystemTime> since;
    std::optional<SystemTime> until;
    std::string model;
    std::string upstream;  ///< name of the upstream that answered
    std::string key;       ///< key_name
    std::optional<unsigned> status;
    std::string outcome;
    std::string grep;       ///< substring of body, response or error, case-sensitive
    std::size_t limit = 0;  ///< 0: no limit
    bool newest_first = true;
    std::int64_t after_id = 0;  ///< only rows with a larger id (tail)
    bool bodies = true;         ///< false: body and response are left empty
};

/// A row as it is read back.
struct StoredRecord
{
    std::int64_t id = 0;
    Record record;               ///< attempts included when asked for one record
    std::uint64_t attempts = 0;  ///< how many there were
};

/// `record stats`: the requests of one model answered by one upstream.
struct RecordStats
{
    std::string model;     ///< "" for requests without one
    std::string upstream;  ///< its name; "" when none answered
    std::uint64_t requests = 0;
    std::uint64_t ok = 0;
    std::uint64_t errors = 0;  ///< every other outcome
    Nanoseconds p50{};         ///< of elapsed_time; nearest rank
    Nanoseconds p95{};
    std::int64_t prompt_tokens = 0;
    std::int64_t completion_tokens = 0;
    std::int64_t total_tokens = 0;

    bool operator==(const RecordStats&) const = default;
};

/// What a step of pruning does at most; one record at least, however large it is.
struct PruneBounds
{
    std::size_t rows = 200;
    std::size_t bytes = 8u << 20;       ///< of bodies and responses
    std::chrono::milliseconds time{5};  ///< of holding a lock for which others wait (SQLite)
};

/// What one step of pruning did.
struct PruneStep
{
    std::uint64_t rows = 0;   ///< deleted or emptied
    bool done = true;         ///< nothing older is left
    std::uint64_t bytes = 0;  ///< that are free now, about
};

/// What the database takes on its disk.
struct DatabaseSize
{
    std::uint64_t bytes = 0;   ///< without SQLite's free pages, which are used again
    std::uint64_t in_use = 0;  ///< without what PostgreSQL will use again, either, as its statistics have it
};

/// Called after each step with the records that are done so far.
using PruneProgress = std::function<void(std::uint64_t rows)>;

/// `db status`.
struct DatabaseStatus
{
    struct Table
    {
        std::string name;
        std::uint64_t rows = 0;  ///< deleted upstreams and keys included
        bool estimated = false;  ///< `rows` is the server's estimate: counting them would take long
        std::optional<std::uint64_t> bytes;  ///< indexes included; not every SQLite tells
    };

    std::string server;  ///< "SQLite 3.40.1", "PostgreSQL 15.18"
    int schema_version = 0;
    std::uint64_t bytes = 0;
    std::vector<Table> tables;
    std::optional<SystemTime> oldest_record;
    std::optional<SystemTime> newest_record;
    std::size_t partitions = 0;  ///< of the records; 0: they are in one table
};

template <class R>
concept UpstreamRepository = requires(R repository, const UpstreamDefinition& definition,
                                      const std::vector<UpstreamDefinition>& definitions, std::int64_t id) {
    /// All not deleted, by priority, then id. Rows that cannot be used are included as they are:
    /// make_upstream() judges them. What is not the JSON it should be is in `unreadable`, and written back as
    /// it is.
    { repository.upstreams() } -> std::same_as<std::vector<UpstreamDefinition>>;
    /// Whether the table ever had a row, deleted ones included.
    { repository.ever_had_upstream() } -> std::same_as<bool>;
    /// The new id; StorageError conflict when (sk, endpoint) or the name is taken. `definition.id` is not
    /// looked at.
    { repository.add_upstream(definition) } -> std::same_as<std::int64_t>;
    /// Adds it only when the table never had a row, under the migration lock; true when it did.
    { repository.add_first_upstream(definition) } -> std::same_as<bool>;
    /// Writes every column of the row `definition.id`; false when there is none.
    { repository.update_upstream(definition) } -> std::same_as<bool>;
    /// All or none: adds those whose id is 0, writes every column of the others' rows; gives their ids.
    /// StorageError conflict when a row is gone, or the name or (sk, endpoint) of one that is not among them
    /// is taken.
    { repository.write_upstreams(definitions) } -> std::same_as<std::vector<std::int64_t>>;
    /// Sets deleted_at; false when there is none.
    { repository.remove_upstream(id) } -> std::same_as<bool>;
};

template <class R>
concept ClientKeyRepository = requires(R repository, const std::string& name, const KeyHash& hash) {
    /// All not deleted, by id.
    { repository.client_keys() } -> std::same_as<std::vector<ClientKey>>;
    /// The new id; StorageError conflict when the name or the key is taken.
    { repository.add_client_key(name, hash) } -> std::same_as<std::int64_t>;
    /// Sets deleted_at; false when there is none.
    { repository.remove_client_key(name) } -> std::same_as<bool>;
    /// Adds the key only when the table never had one, under the migration lock; true when it did.
    { repository.add_first_client_key(name, hash) } -> std::same_as<bool>;
};

template <class R>
concept RecordRepository = requires(
    R repository, const PruneBounds& bounds, const PruneProgress& progress, std::span<const Record> records,
    std::chrono::milliseconds bound, const RecordFilter& filter,
    const std::function<bool(const StoredRecord&)>& visit, const std::string& request_id, SystemTime before,
    std::size_t rows, std::size_t bytes, std::optional<Seconds> retention, std::span<const IdHash> ids) {
    /// All of them with their attempts, and what was made for them, in one transaction; one whose
    /// request_id is there already is passed over. Of several upstreams that made the same id the latest
    /// record's counts; an id that is named again more than a day later is of that time from then on. Throws
    /// `unavailable` after `bound`, or what the repository was opened with when that is 0: the record
    /// writer's promises rest on it. (SQLite's disk is waited for, its locks are not.)
    { repository.insert(records, bound) } -> std::same_as<void>;
    /// Any thread: what runs in another fails soon; the repository is of no use afterwards.
    { repository.abandon() } -> std::same_as<void>;
    /// Those of these ids that are known, in any order; `bound` as for insert().
    { repository.makers_of(ids, bound) } -> std::same_as<std::vector<MadeBy>>;
    /// Calls `visit` per record until it returns false.
    {
        repository.for_each_record(filter, visit)
    } -> std::same_as<void>;  // by request_id (time); with after_id by id
    /// By request_id or by id, attempts included.
    { repository.find_record(request_id) } -> std::same_as<std::optional<StoredRecord>>;
    /// Those behind `request_id` ("": from the first) by request_id, attempts and what was made for them
    /// included: `rows` of them at most, fewer when their bodies reach `bytes`.
    { repository.records_after(request_id, rows, bytes) } -> std::same_as<std::vector<Record>>;
    /// Makes ready what records of the next days need (partitions), such that deleting what is older than
    /// `retention` is quick. Quick when all is there. To be called every hour or so.
    { repository.make_room(before, retention) } -> std::same_as<void>;
    /// The same for records since `oldest`, which are to be brought in.
    { repository.make_room_for(before) } -> std::same_as<void>;
    /// Deletes older records and their attempts, in steps that never hold the database long, with pauses
    /// in between; how many records went. `progress` may be empty.
    { repository.prune(before, progress) } -> std::same_as<std::uint64_t>;
    /// Empties body and response of older records.
    { repository.prune_bodies(before, progress) } -> std::same_as<std::uint64_t>;
    /// One step of the same, or a partition is dropped; what was made earlier goes once all these records
    /// went. Of a partition that will be droppable within a day, or a twentieth of the age, nothing is
    /// deleted one by one. Bodies of records that came late, once older ones were emptied, go with a later
    /// step.
    { repository.prune_step(before, bounds) } -> std::same_as<PruneStep>;
    { repository.prune_bodies_step(before, bounds) } -> std::same_as<PruneStep>;
    /// Makes the database smaller, whatever the age: the oldest bodies go, then, when no body is left
    /// whose going would help, the oldest records; what was made for records that are gone goes before more
    /// of them do.
    { repository.shrink_step(bounds) } -> std::same_as<PruneStep>;
    /// Quick enough for once a minute.
    { repository.size() } -> std::same_as<DatabaseSize>;
    /// The largest id; 0 without records.
    { repository.newest_record_id() } -> std::same_as<std::int64_t>;
    /// By number of requests, most first.
    { repository.record_stats(filter) } -> std::same_as<std::vector<RecordStats>>;
};

template <class R>
concept Repository =
    UpstreamRepository<R> && ClientKeyRepository<R> && RecordRepository<R> && requires(R repository) {
        { repository.status() } -> std::same_as<DatabaseStatus>;
    };

}  // namespace route::storage
