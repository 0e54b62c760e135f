#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/record_sink.hpp"
#include "core/settings.hpp"
#include "storage/record_keeper.hpp"
#include "storage/record_queue.hpp"
#include "storage/sleeper.hpp"

namespace route::storage {

struct WriterOptions
{
    RecordSettings records;
    std::string outbox;  ///< path; "": none
    WriterTiming timing = {};
    Connector drain = {};  ///< the way of the outbox's records to the database; empty: that of all others
};

/// Takes finished requests from the event loops and stores them on one thread of its own: completes them
/// (complete_record), tells the hooks, writes those of authenticated requests in batches. A record with a
/// `stored` callback is written at once, with what is there; the others within `flush` ms. What the database
/// does not take goes to the outbox; see RecordKeeper.
class RecordWriter final : public RecordSink
{
  public:
    /// Starts the thread, which opens the database; it need not be there.
    RecordWriter(Connector connector, const WriterOptions& options, WriterHooks hooks);

    /// stop() with a second, unless it was called.
    ~RecordWriter() override;

    void take(std::unique_ptr<QueuedRecord> record) override;
    RecordChain spares() override { return spares_.take_all(); }
    bool has_room() const override { return queue_bytes_ < queue_limit_; }
    std::uint64_t held_bytes() const override { return queue_bytes_; }
    void dropped(std::unique_ptr<QueuedRecord> record) override;

    /// Other limits, `flush` and bounds from now on. Any thread.
    void configure(const RecordSettings& settings);

    /// Writes what was taken and ends the thread. What is not in the database by `deadline` goes to the
    /// outbox; what that does not take, either, is lost, counted and logged. To be called once nothing takes
    /// any more.
    void stop(std::chrono::steady_clock::time_point deadline);

    /// The deadline of stop(), in which another thread is or is about to be, is now.
    void hurry();

    // State, for metrics and /readyz. Any thread.

    std::size_t queue_bytes() const { return queue_bytes_; }
    std::uint64_t outbox_records() const { return keeper_.outbox_records(); }
    std::uint64_t written() const { return written_; }  ///< came into the database, from the outbox too
    std::uint64_t lost() const { return lost_; }
    std::uint64_t rejected() const { return rejected_; }

    /// Whether records can be kept: in the database, the outbox, or the queue for now.
    bool can_keep() const { return keeper_.taking() || has_room(); }

    /// What is not as it should be, in words for people; "" when all is.
    std::string degraded() const;

  private:
    using TimePoint = std::chrono::steady_clock::time_point;

    /// A record in `records_` of the same index: what else is known of it.
    struct Pending
    {
        std::function<void()> stored;
        std::size_t bytes;
        TimePoint taken_at;
    };

    WriterHooks counting(WriterHooks hooks);
    void attend();
    void run();
    void turn();
    void sleep(TimePoint until);
    void apply_settings();
    void collect();
    void complete(QueuedRecord& queued);
    void lose(QueuedRecord& queued);
    std::span<const Record> records() const { return {records_.data(), pending_.size()}; }
    void forget(std::size_t count);
    TimePoint write_at() const;
    TimePoint give_up_at() const;
    std::chrono::milliseconds patience(TimePoint now) const;
    void write(TimePoint now);
    void give_up_waiting(TimePoint now);
    void settle(std::size_t count);
    void flush_until(TimePoint deadline);
    void lose_the_rest();

    WriterHooks hooks_;
    const WriterTiming timing_;
    Sleeper sleeper_;
    RecordQueue queue_;
    SpareRecords spares_;
    std::atomic<std::size_t> queue_bytes_{0};
    std::atomic<std::size_t> queue_limit_;
    std::atomic<bool> attend_{false};  ///< there is something to do that does not wait for `flush`
    std::atomic<std::uint64_t> written_{0};
    std::atomic<std::uint64_t> lost_{0};
    std::atomic<std::uint64_t> rejected_{0};

    std::mutex settings_mutex_;
    RecordSettings new_settings_;  ///< of the mutex
    std::atomic<bool> settings_changed_{true};

    // Of the thread:
    RecordKeeper keeper_;
    RecordLimits limits_;
    std::chrono::milliseconds flush_{50};
    /// Complete and not yet kept, in the order of taking; behind these (`pending_` says how many) others that
    /// were written, whose memory is used again.
    std::vector<Record> records_;
    std::vector<Pending> pending_;
    std::size_t pending_bytes_ = 0;
    bool waited_for_ = false;  ///< someone waits for one of them
    TimePoint retry_at_{};     ///< after a try that did not keep all

    std::atomic<bool> stopping_{false};
    std::atomic<TimePoint> stop_by_{};
    std::atomic<bool> hurried_{false};
    std::thread thread_;
};

}  // namespace route::storage
