#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "storage/connecting.hpp"
#include "storage/inserting.hpp"

namespace route::storage {

/// One batch on its way out of the outbox, on a thread and a connection of its own: records large enough to
/// take a slow database long have that time, and what is written now does not wait for it.
class Draining
{
  public:
    using Bound = std::function<std::chrono::milliseconds(std::size_t bytes)>;

    struct Result
    {
        std::vector<Record> records;
        Inserted inserted;
        std::unique_ptr<RecordStore> database;  ///< null after a failure
        bool tried = false;  ///< false: the database could not be opened, which says nothing of the records
    };

    /// Begins. A null `database` is opened with `connector` first. `bound`: how long a transaction may take.
    /// `when_done` is called on the thread.
    Draining(const Connector& connector, std::unique_ptr<RecordStore> database, std::vector<Record> records,
             Bound bound, std::function<void()> when_done);

    /// Abandons what is not done.
    ~Draining();
    Draining(const Draining&) = delete;
    Draining& operator=(const Draining&) = delete;

    bool done() const { return done_; }

    /// Once it is done.
    Result result();

  private:
    void run(const Connector& connector, const Bound& bound);
    void insert(std::span<const Record> records, std::chrono::milliseconds bound);
    bool open(const Connector& connector);

    Result result_;
    std::mutex mutex_;
    bool abandoned_ = false;  ///< of the mutex, as is who result_.database is
    std::atomic<bool> done_{false};
    std::thread thread_;  // last: it uses the others
};

}  // namespace route::storage
