#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "storage/repository.hpp"

namespace route::storage {

/// What the record writer and the pruner ask of a database. One thread at a time; failures are StorageErrors.
class RecordStore
{
  public:
    virtual ~RecordStore() = default;
    /// `bound`: how long it may take; 0: as long as the database was opened for.
    virtual void insert(std::span<const Record> records, std::chrono::milliseconds bound = {}) = 0;
    /// Any thread: what runs elsewhere fails soon, and the store is of no use any more.
    virtual void abandon() = 0;
    /// `bound`: as for insert().
    virtual std::vector<MadeBy> makers_of(std::span<const IdHash> ids,
                                          std::chrono::milliseconds bound = {}) = 0;
    virtual void make_room(SystemTime now, std::optional<Seconds> retention) = 0;
    virtual PruneStep prune_step(SystemTime before, const PruneBounds& bounds) = 0;
    virtual PruneStep prune_bodies_step(SystemTime before, const PruneBounds& bounds) = 0;
    virtual PruneStep shrink_step(const PruneBounds& bounds) = 0;
    virtual DatabaseSize size() = 0;
};

/// A repository whose kind was chosen at run time; the functions are those of the concepts in repository.hpp.
class AnyRepository : public RecordStore
{
  public:
    virtual std::vector<UpstreamDefinition> upstreams() = 0;
    virtual bool ever_had_upstream() = 0;
    virtual std::int64_t add_upstream(const UpstreamDefinition& definition) = 0;
    virtual bool add_first_upstream(const UpstreamDefinition& definition) = 0;
    virtual bool update_upstream(const UpstreamDefinition& definition) = 0;
    virtual std::vector<std::int64_t> write_upstreams(const std::vector<UpstreamDefinition>& definitions) = 0;
    virtual bool remove_upstream(std::int64_t id) = 0;

    virtual std::vector<ClientKey> client_keys() = 0;
    virtual std::int64_t add_client_key(const std::string& name, const KeyHash& hash) = 0;
    virtual bool remove_client_key(const std::string& name) = 0;
    virtual bool add_first_client_key(const std::string& name, const KeyHash& hash) = 0;

    virtual void for_each_record(const RecordFilter& filter,
                                 const std::function<bool(const StoredRecord&)>& visit) = 0;
    virtual std::optional<StoredRecord> find_record(const std::string& id) = 0;
    virtual std::vector<Record> records_after(const std::string& request_id, std::size_t rows,
                                              std::size_t bytes) = 0;
    virtual void make_room_for(SystemTime oldest) = 0;
    virtual std::uint64_t prune(SystemTime before, const PruneProgress& progress) = 0;
    virtual std::uint64_t prune_bodies(SystemTime before, const PruneProgress& progress) = 0;
    virtual std::vector<RecordStats> record_stats(const RecordFilter& filter) = 0;

    virtual std::int64_t newest_record_id() = 0;
    virtual DatabaseStatus status() = 0;
};

static_assert(Repository<AnyRepository>);

template <Repository R>
class RepositoryOf final : public AnyRepository
{
  public:
    explicit RepositoryOf(R&& repository) : repository_{std::move(repository)} {}

    void insert(std::span<const Record> records, std::chrono::milliseconds bound = {}) override
    {
        repository_.insert(records, bound);
    }
    void abandon() override { repository_.abandon(); }
    std::vector<MadeBy> makers_of(std::span<const IdHash> ids, std::chrono::milliseconds bound = {}) override
    {
        return repository_.makers_of(ids, bound);
    }
    void make_room(SystemTime now, std::optional<Seconds> retention) override
    {
        repository_.make_room(now, retention);
    }
    PruneStep prune_step(SystemTime before, const PruneBounds& bounds) override
    {
        return repository_.prune_step(before, bounds);
    }
    PruneStep prune_bodies_step(SystemTime before, const PruneBounds& bounds) override
    {
        return repository_.prune_bodies_step(before, bounds);
    }
    PruneStep shrink_step(const PruneBounds& bounds) override { return repository_.shrink_step(bounds); }
    DatabaseSize size() override { return repository_.size(); }

    std::vector<UpstreamDefinition> upstreams() override { return repository_.upstreams(); }
    bool ever_had_upstream() override { return repository_.ever_had_upstream(); }
    std::int64_t add_upstream(const UpstreamDefinition& definition) override
    {
        return repository_.add_upstream(definition);
    }
    bool add_first_upstream(const UpstreamDefinition& definition) override
    {
        return repository_.add_first_upstream(definition);
    }
    bool update_upstream(const UpstreamDefinition& definition) override
    {
        return repository_.update_upstream(definition);
    }
    std::vector<std::int64_t> write_upstreams(const std::vector<UpstreamDefinition>& definitions) override
    {
        return repository_.write_upstreams(definitions);
    }
    bool remove_upstream(std::int64_t id) override { return repository_.remove_upstream(id); }

    std::vector<ClientKey> client_keys() override { return repository_.client_keys(); }
    std::int64_t add_client_key(const std::string& name, const KeyHash& hash) override
    {
        return repository_.add_client_key(name, hash);
    }
    bool remove_client_key(const std::string& name) override { return repository_.remove_client_key(name); }
    bool add_first_client_key(const std::string& name, const KeyHash& hash) override
    {
        return repository_.add_first_client_key(name, hash);
    }

    void for_each_record(const RecordFilter& filter,
                         const std::function<bool(const StoredRecord&)>& visit) override
    {
        repository_.for_each_record(filter, visit);
    }
    std::optional<StoredRecord> find_record(const std::string& id) override
    {
        return repository_.find_record(id);
    }
    std::vector<Record> records_after(const std::string& request_id, std::size_t rows,
                                      std::size_t bytes) override
    {
        return repository_.records_after(request_id, rows, bytes);
    }
    void make_room_for(SystemTime oldest) override { repository_.make_room_for(oldest); }
    std::uint64_t prune(SystemTime before, const PruneProgress& progress) override
    {
        return repository_.prune(before, progress);
    }
    std::uint64_t prune_bodies(SystemTime before, const PruneProgress& progress) override
    {
        return repository_.prune_bodies(before, progress);
    }
    std::vector<RecordStats> record_stats(const RecordFilter& filter) override
    {
        return repository_.record_stats(filter);
    }
    std::int64_t newest_record_id() override { return repository_.newest_record_id(); }
    DatabaseStatus status() override { return repository_.status(); }

  private:
    R repository_;
};

template <Repository R>
std::unique_ptr<AnyRepository> any(R repository)
{
    return std::make_unique<RepositoryOf<R>>(std::move(repository));
}

}  // namespace route::storage
