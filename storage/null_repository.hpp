#pragma once

#include "storage/repository.hpp"

namespace route::storage {

/// `backend = "none"`: keeps nothing; upstreams and keys are those of the configuration file.
class NullRepository
{
  public:
    std::vector<UpstreamDefinition> upstreams() { return {}; }
    bool ever_had_upstream() { return false; }
    std::int64_t add_upstream(const UpstreamDefinition&) { refuse(); }
    bool update_upstream(const UpstreamDefinition&) { refuse(); }
    std::vector<std::int64_t> write_upstreams(const std::vector<UpstreamDefinition>&) { refuse(); }
    bool add_first_upstream(const UpstreamDefinition&) { return false; }
    bool remove_upstream(std::int64_t) { return false; }

    std::vector<ClientKey> client_keys() { return {}; }
    std::int64_t add_client_key(const std::string&, const KeyHash&) { refuse(); }
    bool remove_client_key(const std::string&) { return false; }
    bool add_first_client_key(const std::string&, const KeyHash&) { return false; }

    void insert(std::span<const Record>, std::chrono::milliseconds = {}) {}
    void abandon() {}
    std::vector<MadeBy> makers_of(std::span<const IdHash>, std::chrono::milliseconds = {}) { return {}; }
    void for_each_record(const RecordFilter&, const std::function<bool(const StoredRecord&)>&) {}
    std::optional<StoredRecord> find_record(const std::string&) { return {}; }
    std::vector<Record> records_after(const std::string&, std::size_t, std::size_t) { return {}; }
    void make_room(SystemTime, std::optional<Seconds>) {}
    void make_room_for(SystemTime) {}
    std::uint64_t prune(SystemTime, const PruneProgress&) { return 0; }
    std::uint64_t prune_bodies(SystemTime, const PruneProgress&) { return 0; }
    PruneStep prune_step(SystemTime, const PruneBounds&) { return {}; }
    PruneStep prune_bodies_step(SystemTime, const PruneBounds&) { return {}; }
    PruneStep shrink_step(const PruneBounds&) { return {}; }
    DatabaseSize size() { return {}; }
    std::vector<RecordStats> record_stats(const RecordFilter&) { return {}; }
    std::int64_t newest_record_id() { return 0; }
    DatabaseStatus status() { return {}; }

  private:
    [[noreturn]] static void refuse()
    {
        throw StorageError{StorageError::Kind::rejected,
                           "there is no database (storage.backend is \"none\")"};
    }
};

static_assert(Repository<NullRepository>);

}  // namespace route::storage
