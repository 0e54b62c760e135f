#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/draining.hpp"
#include "storage/outbox.hpp"
#include "storage/suspects.hpp"

namespace route::storage {

/// Moves records from the outbox into the database, batch by batch, while it is there: each has the time its
/// bytes need on a slow connection. One that fails alone is passed over and tried again later; in the end,
/// when others succeed meanwhile, it is given up. One thread.
class OutboxDrain
{
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    struct Timing
    {
        std::chrono::milliseconds least_bound{800};  ///< that a transaction has
        std::chrono::milliseconds first_retry{500};  ///< after a failure; doubled up to …
        std::chrono::milliseconds longest_retry{5'000};
    };

    struct Hooks
    {
        std::function<void(const Inserted::Transaction&, std::size_t bytes)> on_written;
        /// A record that the database does not take by itself. False: it stays in the outbox, for it is
        /// nowhere else.
        std::function<bool(const Record&, const std::string& reason)> on_refused;
        /// Records stay in the outbox. `tried`: the database was open, and did not take them.
        std::function<void(const std::string& reason, bool tried, TimePoint now)> on_failed;
    };

    /// `wake` is called, on another thread, when tend() has something to do.
    OutboxDrain(Connector connector, Outbox& outbox, const Timing& timing, Hooks hooks,
                std::function<void()> wake);

    /// Takes in what came of the last batch; `begin`: and begins the next when it is time. When it wants to
    /// be called again, unless it wakes. Throws StorageError when the outbox fails.
    TimePoint tend(TimePoint now, bool begin);

    /// Begins with the next one, alone, whenever the last failure was: what becomes of it shows whether the
    /// database takes records. False when nothing is on its way then. Throws StorageError as tend() does.
    bool try_one(TimePoint now);

    /// Records came into the database past the outbox.
    void others_succeeded() { suspects_.another_succeeded(); }

    /// Whether a batch is on its way.
    bool busy() const { return draining_ != nullptr; }

    /// Gives up what is on its way: it stays in the outbox.
    void stop() { draining_.reset(); }

  private:
    void take_in(TimePoint now);
    void settle(const Draining::Result& result, TimePoint now);
    void leave(std::span<const Record> records, const std::vector<Refusal>& refused);
    void failed(const Draining::Result& result, TimePoint now);
    void begin(std::vector<Record> records, TimePoint now);
    void back_off(TimePoint now);
    std::vector<Record> next_batch(TimePoint now);
    std::vector<Record> without_given_up(std::vector<Record> records);

    Connector connector_;
    Outbox& outbox_;
    Timing timing_;
    Hooks hooks_;
    std::function<void()> wake_;
    std::unique_ptr<RecordStore> database_;
    Suspects suspects_;
    TransactionSize size_;
    std::string behind_;      ///< request_id: what is before was tried in this round
    bool half_open_ = false;  ///< what is on its way was begun by try_one()
    TimePoint retry_at_{};
    std::chrono::milliseconds backoff_;
    std::unique_ptr<Draining> draining_;
};

}  // namespace route::storage
