#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "core/record.hpp"

namespace route {

/// A finished request on its way from an event loop to the record writer, and back, empty, to be used again.
struct QueuedRecord
{
    Record record;
    std::function<void()> stored = {};  ///< may be empty
    std::size_t bytes = 0;              ///< what it counts for in the bound of the queue
    std::chrono::steady_clock::time_point taken_at{};
    bool lost = false;  ///< there was no room for it: it is told of, and not stored
    QueuedRecord* next = nullptr;
};

/// Queued records in a row, the last one put in first.
class RecordChain
{
  public:
    RecordChain() = default;
    /// Takes over what hangs behind `first`.
    explicit RecordChain(QueuedRecord* first) : first_{first} {}
    RecordChain(RecordChain&& other) noexcept : first_{std::exchange(other.first_, nullptr)} {}
    RecordChain& operator=(RecordChain&& other) noexcept
    {
        std::swap(first_, other.first_);
        return *this;
    }
    ~RecordChain()
    {
        while (pop()) {
        }
    }

    bool empty() const { return first_ == nullptr; }

    void push(std::unique_ptr<QueuedRecord> record)
    {
        record->next = first_;
        first_ = record.release();
    }

    /// Null when there is none.
    std::unique_ptr<QueuedRecord> pop()
    {
        std::unique_ptr<QueuedRecord> record{first_};
        if (record)
            first_ = std::exchange(record->next, nullptr);
        return record;
    }

  private:
    QueuedRecord* first_ = nullptr;
};

/// Where finished requests go. Called on event loops' threads: implementations neither block nor throw.
class RecordSink
{
  public:
    virtual ~RecordSink() = default;

    /// Takes the record of a finished request. Its `stored`, when given, is called once, on another thread,
    /// as soon as the record is in the database or the outbox, or given up on (durability "commit": the
    /// reply's last byte waits for it).
    virtual void take(std::unique_ptr<QueuedRecord> record) = 0;

    /// Records to be used again, empty; none is no matter.
    virtual RecordChain spares() { return {}; }

    /// Whether a new request's record would find room; false only while neither database nor outbox take
    /// records and the queue is full.
    virtual bool has_room() const = 0;

    /// Bytes of records held in memory, for `server.max_buffered`.
    virtual std::uint64_t held_bytes() const { return 0; }

    /// Counts a request served although there was no room (after waiting): its record is lost, and said to
    /// be.
    virtual void dropped(std::unique_ptr<QueuedRecord> record) = 0;
};

}  // namespace route
