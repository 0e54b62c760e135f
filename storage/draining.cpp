#include "storage/draining.hpp"

namespace route::storage {

Draining::Draining(const Connector& connector, std::unique_ptr<RecordStore> database,
                   std::vector<Record> records, Bound bound, std::function<void()> when_done)
    : result_{std::move(records), {}, std::move(database), false},
      thread_{[this, connector, bound = std::move(bound), tell = std::move(when_done)] {
          run(connector, bound);
          done_ = true;
          tell();
      }}
{
}

Draining::~Draining()
{
    {
        const std::lock_guard lock{mutex_};
        abandoned_ = true;
        if (!done_ && result_.database)
            result_.database->abandon();
    }
    if (thread_.joinable())
        thread_.join();
}

Draining::Result Draining::result()
{
    thread_.join();
    return std::move(result_);
}

void Draining::run(const Connector& connector, const Bound& bound)
{
    auto& inserted = result_.inserted;
    try {
        if (open(connector)) {
            result_.tried = true;
            inserted = insert_all(result_.records,
                                  [&](std::span<const Record> part) { insert(part, bound(bytes_of(part))); });
        } else {
            inserted.failure = "abandoned";
        }
    } catch (const std::exception& error) {
        inserted.failure = error.what();
    } catch (...) {
        inserted.failure = "unknown";
    }
    if (inserted.failure.empty())
        return;
    const std::lock_guard lock{mutex_};
    result_.database.reset();
}

void Draining::insert(std::span<const Record> records, std::chrono::milliseconds bound)
{
    try {
        result_.database->insert(records, bound);
    } catch (const NotOpened&) {
        result_.tried = false;
        throw;
    }
}

/// False when it is abandoned.
bool Draining::open(const Connector& connector)
{
    if (!result_.database) {
        auto database = connector();
        const std::lock_guard lock{mutex_};
        result_.database = std::move(database);
    }
    const std::lock_guard lock{mutex_};
    return !abandoned_;
}

}  // namespace route::storage
