#include "storage/shared_connection.hpp"

#include <type_traits>
#include <utility>

namespace route::storage {

/// What one of them holds.
class SharedConnection::Share final : public RecordStore
{
  public:
    Share(std::shared_ptr<SharedConnection> connection, Connector open)
        : connection_{std::move(connection)}, open_{std::move(open)}, number_{++connection_->shares_}
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
    std::vector<MadeBy> makers_of(std::span<const IdHash> ids) override
    {
        return in_turn([&](RecordStore& store) { return store.makers_of(ids); });
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
        auto& shared = *connection_;
        const std::unique_lock turn{shared.turns_, shared.turn_};
        if (!turn)
            throw NotOpened{"the connection is in use by another part of the router"};
        const Running running{*this, opened()};
        return operation(running.store);
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
    const std::uint64_t number_;  ///< from 1
    std::mutex running_mutex_;
    RecordStore* running_ = nullptr;  ///< of the mutex
    bool abandoned_ = false;          ///< of the mutex
};

Connector SharedConnection::through(Connector open)
{
    return [shared = shared_from_this(), open = std::move(open)]() -> std::unique_ptr<RecordStore> {
        return std::make_unique<Share>(shared, open);
    };
}

void SharedConnection::close()
{
    owner_ = 0;
    store_.reset();
}

}  // namespace route::storage
