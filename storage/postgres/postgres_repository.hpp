#pragma once

#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "storage/postgres/connection.hpp"
#include "storage/repository.hpp"

namespace route::storage {

/// The repository in a PostgreSQL database, which any number of routers share. One connection: to be used by
/// one thread at a time. Every function is one transaction but those that read or delete many records, which
/// take many short ones. All throw StorageError; after an `unavailable` make another.
class PostgresRepository
{
  public:
    /// Connects; makes or migrates the schema.
    explicit PostgresRepository(const PostgresOptions& options);

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
    void abandon() { connection_->abandon(); }
    std::vector<MadeBy> makers_of(std::span<const IdHash> ids, std::chrono::milliseconds bound = {});
    void for_each_record(const RecordFilter& filter, const std::function<bool(const StoredRecord&)>& visit);
    std::optional<StoredRecord> find_record(const std::string& id);
    std::vector<Record> records_after(const std::string& request_id, std::size_t rows, std::size_t bytes);
    void make_room(SystemTime now, std::optional<Seconds> retention);
    void make_room_for(SystemTime oldest);
    std::uint64_t prune(SystemTime before, const PruneProgress& progress = {});
    std::uint64_t prune_bodies(SystemTime before, const PruneProgress& progress = {});
    PruneStep prune_step(SystemTime before, const PruneBounds& bounds);
    PruneStep prune_bodies_step(SystemTime before, const PruneBounds& bounds);
    PruneStep shrink_step(const PruneBounds& bounds);
    DatabaseSize size();
    std::vector<RecordStats> record_stats(const RecordFilter& filter);
    std::int64_t newest_record_id();
    DatabaseStatus status();

    /// The connection, for listening to changes.
    PostgresConnection& connection() { return *connection_; }

  private:
    template <class F>
    auto transact(F&& function, StorageError::Kind unique = StorageError::Kind::rejected)
    {
        return connection_->transact(options_.operation_timeout, std::forward<F>(function), unique);
    }

    /// For people, who can wait: again and again while somebody else has the tables.
    template <class F>
    void patiently(F&& function)
    {
        constexpr int tries = 60;
        for (int i = 1;; ++i) {
            try {
                return function();
            } catch (const LockNotAvailable&) {
                if (i == tries)
                    throw;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds{500});
        }
    }

    /// `time`, which was reckoned from this machine's clock, by the server's: what is dropped or made for all
    /// must not depend on one wrong clock.
    SystemTime by_server_clock(pqxx::work& work, SystemTime time);

    void check_identity(SchemaIdentity& known);

    PostgresOptions options_;
    std::unique_ptr<PostgresConnection> connection_;
    std::set<std::string> reported_rows_;  ///< unusable ones, warned of once
    bool clock_reported_ = false;
    std::string shrunk_to_;  ///< request_id up to which shrink_step() emptied
};

static_assert(Repository<PostgresRepository>);

}  // namespace route::storage
