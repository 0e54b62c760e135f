#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>

#include "core/settings.hpp"
#include "storage/connecting.hpp"
#include "storage/inserting.hpp"
#include "storage/outbox.hpp"
#include "storage/outbox_drain.hpp"
#include "storage/rejected_file.hpp"

namespace route::storage {

/// What the record writer tells, on its thread. All may be empty; none may throw.
struct WriterHooks
{
    /// Every record once it is complete and before it is written, in the order of taking; those of not
    /// authenticated requests and lost ones too.
    std::function<void(const Record&)> on_completed = {};
    /// Once for all that were there to be completed together.
    std::function<void()> on_collected = {};
    /// Records that came into the database, from the outbox too, and how long the transaction took.
    std::function<void(std::size_t records, Nanoseconds took)> on_written = {};
    /// Records that are lost.
    std::function<void(std::size_t records)> on_dropped = {};
    /// A record the database refused by itself: it is in rejected-records.jsonl.
    std::function<void()> on_rejected = {};
};

/// How long things take; tests make it short.
struct WriterTiming
{
    using Milliseconds = std::chrono::milliseconds;

    Milliseconds patience{
        900};  ///< a record waits so long for the first connection, then it goes to the outbox
    Milliseconds first_retry{500};  ///< after the database went away; doubled up to …
    Milliseconds longest_retry{5'000};
    Milliseconds bound{800};  ///< of a transaction: a second after it was taken a record is in the outbox
    Milliseconds give_up{
        5'000};  ///< `stored` is called by then, when neither database nor outbox took the record
    Milliseconds recount{3'600'000};  ///< between two looks for what another router left in the outbox
};

/// Puts records into the database or, while that is away, into the outbox, and moves them from there when it
/// is back. Decides all of it and knows no queue and no waiting: the record writer's thread calls it. Throws
/// nothing.
class RecordKeeper
{
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    using Milliseconds = std::chrono::milliseconds;

    static constexpr std::size_t batch_rows = TransactionSize::Limits{}.most_rows;
    static constexpr std::size_t batch_bytes = TransactionSize::Limits{}.most_bytes;

    /// Ways to the database.
    struct Connectors
    {
        Connector records;
        Connector drain = {};  ///< of what comes out of the outbox; empty: the same
    };

    /// Begins to connect. `wake` is called, on another thread, when tend() has something to do. An empty
    /// `outbox_path`: no outbox.
    RecordKeeper(Connectors connectors, const std::string& outbox_path, const WriterTiming& timing,
                 WriterHooks hooks, std::function<void()> wake);

    /// Whether the first connection is still being made: records may wait for it.
    bool starting() const { return !database_ && !away_; }

    /// Whether the database, that was away, may be back: keep() then tries it once, with no records as well,
    /// and it counts as open or as away again.
    bool half_open() const { return half_open_; }

    /// Whether something is on its way on another thread that will wake.
    bool busy() const { return connecting_ || drain_.busy(); }

    /// Keeps as many as it can from the front; how many. Fewer than all: neither database nor outbox takes
    /// them now. What does not come into the database within `patience` goes to the outbox.
    std::size_t keep(std::span<const Record> records, TimePoint now,
                     Milliseconds patience = Milliseconds::max());

    /// No record waits any more for the first connection: until it is there the database counts as away.
    void give_up_starting();

    /// keep() without the database: for what stop() has no time for.
    std::size_t keep_in_outbox(std::span<const Record> records, TimePoint now);

    /// Does a little of what is due: connects, lets the outbox be emptied. When it wants to be called again.
    TimePoint tend(TimePoint now);

    /// Nothing is moved out of the outbox any more.
    void stop_draining() { drain_.stop(); }

    /// Any thread.
    std::uint64_t outbox_records() const { return outbox_.size(); }

    /// What is not as it should be, in words for /readyz; "" when all is. Any thread.
    std::string degraded() const;

    /// False while neither database nor outbox takes records. Any thread.
    bool taking() const { return taking_; }

  private:
    Inserted into_database(std::span<const Record> records, Milliseconds bound);
    void written(const Inserted::Transaction& transaction, std::size_t bytes);
    void take_refused(std::span<const Record> records, const std::vector<Refusal>& refused,
                      bool outbox_may_take_them);
    bool set_aside(const Record& record, const std::string& reason);
    bool waits_in_outbox(const Record& record);
    std::span<const Record> next_batch(std::span<const Record> records) const;
    std::size_t keep_in_database(std::span<const Record> records, TimePoint now, Milliseconds patience);
    OutboxDrain::Hooks drain_hooks();

    void look_after_connection(TimePoint now);
    void begin_trial(TimePoint now);
    void draining_failed(const std::string& reason, bool tried, TimePoint now);
    void draining_succeeded();
    void came_back();
    void say_that_it_is_away(const std::string& reason);
    void went_away(const std::string& reason, TimePoint now);
    void outbox_failed(const std::string& reason, TimePoint now);
    void probe_outbox(TimePoint now, std::chrono::milliseconds longest_look);
    TimePoint drain(TimePoint now);
    void recount_outbox(TimePoint now);

    Connector connector_;
    WriterTiming timing_;
    WriterHooks hooks_;
    std::function<void()> wake_;
    std::string outbox_path_;
    Outbox outbox_;
    RejectedFile rejected_;
    std::unique_ptr<RecordStore> database_;
    std::optional<Connecting> connecting_;
    std::chrono::milliseconds backoff_;
    TimePoint retry_at_{};
    TimePoint outbox_retry_at_{};
    TimePoint recount_at_;
    bool half_open_ = false;
    bool proving_ = false;    ///< what the outbox's drain has on its way shows whether the database is back
    int drain_failures_ = 0;  ///< in a row, while the database takes records
    std::set<std::string> reasons_;  ///< why the database is away, as far as they were told
    TransactionSize size_{TransactionSize::Limits{}};
    OutboxDrain drain_;  // after the outbox: it uses it
    std::atomic<bool> away_{false};
    std::atomic<bool> outbox_fails_{false};
    std::atomic<bool> draining_fails_{false};
    std::atomic<bool> taking_{true};
};

}  // namespace route::storage
