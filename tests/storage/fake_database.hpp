#pragma once

#include <algorithm>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "storage/connecting.hpp"
#include "storage/inserting.hpp"

namespace route::test {

using namespace std::chrono_literals;

/// Lets a test wait for what another thread does.
class Bell
{
  public:
    /// Changes what `until` looks at, and rings.
    template <class F>
    void ring(F&& change)
    {
        const std::lock_guard lock{mutex_};
        change();
        changed_.notify_all();
    }
    void ring()
    {
        ring([] {});
    }

    /// False when it has not come true within ten seconds.
    template <class F>
    [[nodiscard]] bool until(F&& condition)
    {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, 10s, condition);
    }

    template <class F>
    auto look(F&& at)
    {
        const std::lock_guard lock{mutex_};
        return at();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
};

/// A database whose failures are scripted. Shared by the connections made to it.
class FakeDatabase
{
  public:
    using Rule = std::function<void(std::span<const Record>)>;

    storage::Connector connector()
    {
        return [this]() -> std::unique_ptr<storage::RecordStore> {
            bell_.ring([&] { ++connections_; });
            run(open_rule_, {});
            return std::make_unique<Connection>(*this);
        };
    }

    /// Called by each opening (without records) or insert; throws what the database would.
    void on_open(Rule rule)
    {
        bell_.ring([&] { open_rule_ = std::move(rule); });
    }
    void on_insert(Rule rule)
    {
        bell_.ring([&] { insert_rule_ = std::move(rule); });
    }

    void has_size(std::uint64_t bytes)
    {
        bell_.ring([&] { size_ = {bytes, bytes}; });
    }
    /// The bounds of each step that made it smaller.
    std::vector<std::size_t> shrunk_by()
    {
        return bell_.look([&] { return shrunk_by_; });
    }
    [[nodiscard]] bool wait_for_size(std::uint64_t most)
    {
        return bell_.until([&] { return size_.in_use <= most; });
    }

    /// Called by each step of pruning.
    void on_prune(std::function<void(const storage::PruneBounds&)> rule)
    {
        bell_.ring([&] { prune_rule_ = std::move(rule); });
    }

    /// Called by each look-up, which finds nothing without it.
    void on_look(std::function<std::vector<MadeBy>(std::span<const IdHash>)> rule)
    {
        bell_.ring([&] { look_rule_ = std::move(rule); });
    }

    /// From now on so much comes through to it; what takes longer than its bound fails, at once.
    void is_slow(std::size_t bytes_a_second)
    {
        bell_.ring([&] { bytes_a_second_ = bytes_a_second; });
    }

    static Rule failing(storage::StorageError::Kind kind)
    {
        return [kind](auto) { throw storage::StorageError{kind, "scripted"}; };
    }
    void goes_away() { on_insert(failing(storage::StorageError::Kind::unavailable)); }
    void comes_back() { on_insert({}); }

    std::vector<std::string> ids()
    {
        return bell_.look([&] { return ids_; });
    }
    std::vector<std::size_t> batches()
    {
        return bell_.look([&] { return batches_; });
    }
    int connections()
    {
        return bell_.look([&] { return connections_; });
    }
    /// How many were open at once.
    int most_open()
    {
        return bell_.look([&] { return most_open_; });
    }
    std::vector<std::string> pruned()
    {
        return bell_.look([&] { return pruned_; });
    }
    [[nodiscard]] bool wait_for_records(std::size_t count)
    {
        return bell_.until([&] { return ids_.size() >= count; });
    }
    [[nodiscard]] bool wait_for_connections(int count)
    {
        return bell_.until([&] { return connections_ >= count; });
    }
    [[nodiscard]] bool wait_for_prunes(std::size_t count)
    {
        return bell_.until([&] { return pruned_.size() >= count; });
    }

  private:
    class Connection final : public storage::RecordStore
    {
      public:
        explicit Connection(FakeDatabase& database) : database_{database}
        {
            database_.bell_.ring(
                [this] { database_.most_open_ = std::max(database_.most_open_, ++database_.open_); });
        }
        ~Connection() override
        {
            database_.bell_.ring([this] { --database_.open_; });
        }
        void insert(std::span<const Record> records, std::chrono::milliseconds bound) override
        {
            database_.insert(records, bound);
        }
        void abandon() override {}
        std::vector<MadeBy> makers_of(std::span<const IdHash> ids, std::chrono::milliseconds) override
        {
            const auto rule = database_.bell_.look([&] { return database_.look_rule_; });
            return rule ? rule(ids) : std::vector<MadeBy>{};
        }
        void make_room(SystemTime, std::optional<Seconds>) override {}
        storage::PruneStep prune_step(SystemTime, const storage::PruneBounds& bounds) override
        {
            return database_.prune("records", bounds);
        }
        storage::PruneStep prune_bodies_step(SystemTime, const storage::PruneBounds& bounds) override
        {
            return database_.prune("bodies", bounds);
        }
        storage::PruneStep shrink_step(const storage::PruneBounds& bounds) override
        {
            return database_.shrink(bounds);
        }
        storage::DatabaseSize size() override
        {
            return database_.bell_.look([&] { return database_.size_; });
        }

      private:
        FakeDatabase& database_;
    };

    void run(const Rule& rule, std::span<const Record> records)
    {
        const auto copy = bell_.look([&] { return rule; });
        if (copy)
            copy(records);
    }

    void insert(std::span<const Record> records, std::chrono::milliseconds bound)
    {
        run(insert_rule_, records);
        const auto rate = bell_.look([&] { return bytes_a_second_; });
        if (rate > 0 && storage::bytes_of(records) * 1000 / rate > static_cast<std::size_t>(bound.count()))
            throw storage::StorageError{storage::StorageError::Kind::unavailable, "out of time"};
        if (records.empty())
            return;
        bell_.ring([&] {
            batches_.push_back(records.size());
            for (const auto& record : records)
                if (std::find(ids_.begin(), ids_.end(), record.request_id) == ids_.end())
                    ids_.push_back(record.request_id);
        });
    }

    /// Each record has 1000 bytes.
    storage::PruneStep shrink(const storage::PruneBounds& bounds)
    {
        storage::PruneStep step{0, true};
        bell_.ring([&] {
            shrunk_by_.push_back(bounds.bytes);
            if (size_.in_use < 1000)
                return;
            step = {1, false, 1000};
            size_.in_use -= 1000;
        });
        return step;
    }

    storage::PruneStep prune(const std::string& what, const storage::PruneBounds& bounds)
    {
        const auto rule = bell_.look([&] { return prune_rule_; });
        if (rule)
            rule(bounds);
        bell_.ring([&] { pruned_.push_back(what); });
        return {1, bell_.look([&] { return pruned_.size() % 2 == 0; })};
    }

    Bell bell_;
    Rule open_rule_;
    Rule insert_rule_;
    std::size_t bytes_a_second_ = 0;
    std::function<void(const storage::PruneBounds&)> prune_rule_;
    std::function<std::vector<MadeBy>(std::span<const IdHash>)> look_rule_;
    int connections_ = 0;
    int open_ = 0;
    int most_open_ = 0;
    std::vector<std::string> ids_;
    std::vector<std::size_t> batches_;
    std::vector<std::string> pruned_;
    storage::DatabaseSize size_;
    std::vector<std::size_t> shrunk_by_;
};

}  // namespace route::test
