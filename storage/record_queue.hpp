#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

#include "core/record_sink.hpp"

namespace route::storage {

/// Records that many threads push and one or many take, all at once. Neither locks nor waits.
class RecordStack
{
  public:
    RecordStack() = default;
    RecordStack(const RecordStack&) = delete;
    RecordStack& operator=(const RecordStack&) = delete;
    ~RecordStack() { take_all(); }

    /// Any thread.
    void push(std::unique_ptr<QueuedRecord> record)
    {
        auto* pushed = record.release();
        pushed->next = newest_.load(std::memory_order_relaxed);
        while (!newest_.compare_exchange_weak(pushed->next, pushed)) {
        }
    }

    bool empty() const { return newest_.load() == nullptr; }

    /// The newest first. Any thread.
    RecordChain take_all() { return RecordChain{newest_.exchange(nullptr)}; }

  private:
    std::atomic<QueuedRecord*> newest_{nullptr};
};

/// Finished requests from many event loops to one thread.
class RecordQueue
{
  public:
    /// Any thread.
    void push(std::unique_ptr<QueuedRecord> record) { stack_.push(std::move(record)); }

    bool empty() const { return stack_.empty(); }

    /// Calls `visit` with each, in the order in which they were pushed.
    template <class F>
    void take_all(F&& visit)
    {
        RecordChain in_order;
        for (auto newest_first = stack_.take_all(); auto record = newest_first.pop();)
            in_order.push(std::move(record));
        while (auto record = in_order.pop())
            visit(std::move(record));
    }

  private:
    RecordStack stack_;
};

/// Records that were written, to be used again by the event loops: their strings keep their memory, so that
/// neither side allocates. Bounded; what is too much is freed.
class SpareRecords
{
  public:
    static constexpr std::size_t most = 1024;
    static constexpr std::size_t most_bytes = 8u << 10;  ///< of one

    /// The writer's thread. Empties it.
    void give(std::unique_ptr<QueuedRecord> record)
    {
        if (count_.load(std::memory_order_relaxed) >= most || record->record.memory() > most_bytes)
            return;
        record->record.clear();
        record->stored = nullptr;
        count_.fetch_add(1, std::memory_order_relaxed);
        stack_.push(std::move(record));
    }

    /// Any thread.
    RecordChain take_all()
    {
        if (stack_.empty())
            return {};
        count_.store(0, std::memory_order_relaxed);
        return stack_.take_all();
    }

  private:
    RecordStack stack_;
    std::atomic<std::size_t> count_{0};
};

}  // namespace route::storage
