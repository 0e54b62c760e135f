#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "storage/repository.hpp"
#include "storage/sqlite/connection.hpp"
#include "storage/sqlite/row_writer.hpp"

namespace route::storage {

/// The repository in one SQLite file. One connection: to be used by one thread at a time; any number of
/// connections, of other processes too, may share the file. Every function throws StorageError.
class SqliteRepository
{
  public:
    /// Opens, makes or migrates the file.
    explicit SqliteRepository(const SqliteOptions& options);
    SqliteRepository(SqliteRepository&&) = default;
    SqliteRepository& operator=(SqliteRepository&&) =
        delete;  // would close the connection before its statements

    std::vector<UpstreamDefinition> upstreams();
    bool ever_had_upstream();
    std::int64_t add_upstream(const UpstreamDefinition& definition);
    bool add_first_upstream(const UpstreamDefinition& definition);
    bool update_upstream(const UpstreamDefinition& definition);
    std::vector<std::int64_t> write_upstreams(const std::vector<UpstreamDefinition>& definitions);
    bool remove_upstream(std::int64_t id);

    std::vector<ClientKey> client_keys();
    std::int64_t add_client_key(const std::string& name, const KeyHash& hash);
    bool remove_client_key(const std::string& name);
    bool add_first_client_key(const std::string& name, const KeyHash& hash);

    void insert(std::span<const Record> records, std::chrono::milliseconds bound = {});
    void abandon();
    std::vector<MadeBy> makers_of(std::span<const IdHash> ids, std::chrono::milliseconds bound = {});
    void for_each_record(const RecordFilter& filter, const std::function<bool(const StoredRecord&)>& visit);
    std::optional<StoredRecord> find_record(const std::string& id);
    std::vector<Record> records_after(const std::string& request_id, std::size_t rows, std::size_t bytes);
    void make_room(SystemTime, std::optional<Seconds>) {}
    void make_room_for(SystemTime) {}
    std::uint64_t prune(SystemTime before, const PruneProgress& progress = {});
    std::uint64_t prune_bodies(SystemTime before, const PruneProgress& progress = {});
    PruneStep prune_step(SystemTime before, const PruneBounds& bounds);
    PruneStep prune_bodies_step(SystemTime before, const PruneBounds& bounds);
    PruneStep shrink_step(const PruneBounds& bounds);
    DatabaseSize size();
    std::vector<RecordStats> record_stats(const RecordFilter& filter);
    std::int64_t newest_record_id();
    DatabaseStatus status();

    // What the outbox needs beyond the concepts.

    std::uint64_t record_count();
    /// Deletes these with their attempts in one transaction.
    void erase_records(std::span<const Record> records);
    /// Moves into the file what only its -wal holds, as far as nobody still reads what was there before.
    /// Nobody waits for it.
    void checkpoint();
    /// Gives the space of deleted rows back to the file system. For small files: it rewrites the rest.
    void compact();
    /// Makes upstreams and keys be these, ids included, and nothing else, and marks the file. Of those that
    /// the unique keys take for the same the first stays.
    void replace_upstreams_and_keys(const std::vector<UpstreamDefinition>& upstreams,
                                    const std::vector<ClientKey>& keys, int mark);
    /// The mark, or 0 (PRAGMA application_id).
    int mark();

    /// Grows by the commits of other connections (PRAGMA data_version).
    std::int64_t data_version();

    /// Throws `unavailable` when the path names another file by now, or none.
    void check_file() const;

    /// Throws `unavailable` when what is in the file is another database by now (see SqliteOptions).
    void check_identity();

    /// The connection, for what only a test asks of it.
    SQLite::Database& connection() { return *database_; }

  private:
    /// Calls `function`, which changes upstreams, such that no key it erases stays in the file.
    template <class F>
    auto erasing_keys(F&& function, StorageError::Kind constraint = StorageError::Kind::rejected);

    void wait_for_locks(std::chrono::milliseconds bound);

    SqliteOptions options_;
    std::chrono::milliseconds waits_for_lock_;  ///< what is set; options_ has the longest
    std::uint64_t device_ = 0;
    std::uint64_t inode_ = 0;
    std::unique_ptr<SQLite::Database> database_;
    std::unique_ptr<RowWriter> insert_record_;
    std::unique_ptr<RowWriter> insert_attempt_;
    std::unique_ptr<RowWriter> insert_made_;
    std::string bodies_pruned_to_;  ///< request_id: what is older has no bodies, but for what came late …
    std::int64_t seen_id_ = 0;      ///< … whose ids are larger
    std::set<std::string> reported_rows_;  ///< unusable ones, warned of once
};

static_assert(Repository<SqliteRepository>);

}  // namespace route::storage
