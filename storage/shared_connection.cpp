#include "storage/shared_connection.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace route::storage {

/// What one of them holds.
class SharedConnection::Share final : public RecordStore
{
  public:
    Share(std::shared_ptr<SharedConnection> connection, Connector open, std::chrono::milliseconds turn)
        : connection_{std::move(connection)},
          open_{std::move(open)},
          longest_wait_{turn},
          number_{++connection_->shares_}
    {
        in_turn([](RecordStore&) {});
    }

    ~Share() override
    {
        // Nobody waits here: who has its turn has closed this one's.
        auto& shared = *connection_;
        const std::unique_lock lock{shared.turns_, std::try_to_lock};
        if (lock && shared.owner_ == number_)
            shared.close();
    }

    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    void insert(std::span<const Record> records, std::chrono::milliseconds bound) override
    {
        in_turn([&](RecordStore& store) { store.insert(records, bound); });
    }
    /// Whoever opened it: reading is the same for all.
    std::vector<MadeBy> makers_of(std::span<const IdHash> ids, std::chrono::milliseconds bound) override
    {
        const bool bounded = bound.count() > 0;
        const auto start = std::chrono::steady_clock::now();
        const auto turn = wait_for_turn(bounded ? std::min(longest_wait_, bound * 3 / 4) : longest_wait_);
        const auto waited =
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
        if (bounded)
            bound = std::max(bound - waited, bound / 4);
        auto& shared = *connection_;
        try {
            const Running running{*this, shared.store_ ? *shared.store_ : opened()};
            return running.store.makers_of(ids, bound);
        } catch (...) {
            shared.close();  // it would fail whoever opened it
            throw;
        }
    }
    void make_room(SystemTime now, std::optional<Seconds> retention) override
    {
        in_turn([&](RecordStore& store) { store.make_room(now, retention); });
    }
    PruneStep prune_step(SystemTime before, const PruneBounds& bounds) override
    {
        return in_turn([&](RecordStore& store) { return store.prune_step(before, bounds); });
    }
    PruneStep prune_bodies_step(SystemTime before, const PruneBounds& bounds) override
    {
        return in_turn([&](RecordStore& store) { return store.prune_bodies_step(before, bounds); });
    }
    PruneStep shrink_step(const PruneBounds& bounds) override
    {
        return in_turn([&](RecordStore& store) { return store.shrink_step(bounds); });
    }
    DatabaseSize size() override
    {
        return in_turn([](RecordStore& store) { return store.size(); });
    }

    void abandon() override
    {
        const std::lock_guard lock{running_mutex_};
        abandoned_ = true;
        if (running_ != nullptr)
            running_->abandon();
    }

  private:
    template <class F>
    std::invoke_result_t<F&, RecordStore&> in_turn(F&& operation)
    {
        const auto turn = wait_for_turn(longest_wait_);
        const Running running{*this, opened()};
        return operation(running.store);
    }

    std::unique_lock<std::timed_mutex> wait_for_turn(std::chrono::milliseconds longest)
    {
        std::unique_lock turn{connection_->turns_, longest};
        if (!turn)
            throw NotItsTurn{"the connection is in use by another part of the router"};
        return turn;
    }

    RecordStore& opened()
    {
        auto& shared = *connection_;
        if (shared.owner_ == number_)
            return *shared.store_;
        shared.close();
        try {
            shared.store_ = open_();
        } catch (const std::exception& error) {
            throw NotOpened{error.what()};
        }
        shared.owner_ = number_;
        return *shared.store_;
    }

    /// While it lives, abandon() reaches the store.
    struct Running
    {
        Running(Share& of, RecordStore& its) : share{of}, store{its}
        {
            const std::lock_guard lock{share.running_mutex_};
            if (share.abandoned_)
                throw NotOpened{"abandoned"};
            share.running_ = &store;
        }
        ~Running()
        {
            const std::lock_guard lock{share.running_mutex_};
            share.running_ = nullptr;
        }
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;

        Share& share;
        RecordStore& store;
    };

    std::shared_ptr<SharedConnection> connection_;
    Connector open_;
    const std::chrono::milliseconds longest_wait_;
    const std::uint64_t number_;  ///< from 1
    std::mutex running_mutex_;
    RecordStore* running_ = nullptr;  ///< of the mutex
    bool abandoned_ = false;          ///< of the mutex
};

Connector SharedConnection::through(Connector open, std::optional<std::chrono::milliseconds> turn)
{
    return [shared = shared_from_this(), open = std::move(open),
            turn = turn.value_or(turn_)]() -> std::unique_ptr<RecordStore> {
        return std::make_unique<Share>(shared, open, turn);
    };
}

void SharedConnection::close()
{
    owner_ = 0;
    store_.reset();
}

}  // namespace route::storage
