#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

#include "core/record.hpp"

namespace route::storage {

/// A finished request on its way to the record writer.
struct QueuedRecord
{
    Record record;
    std::function<void()> stored;  ///< may be empty
    std::size_t bytes = 0;         ///< what it counts for in the bound of the queue
    std::chrono::steady_clock::time_point taken_at{};
    bool lost = false;  ///< there was no room for it: it is told of, and not stored
    QueuedRecord* next = nullptr;
};

/// Many event loops push, one thread takes. Neither locks nor waits.
class RecordQueue
{
  public:
    RecordQueue() = default;
    RecordQueue(const RecordQueue&) = delete;
    RecordQueue& operator=(const RecordQueue&) = delete;
    ~RecordQueue()
    {
        take_all([](std::unique_ptr<QueuedRecord>) {});
    }

    /// Any thread.
    void push(std::unique_ptr<QueuedRecord> record)
    {
        auto* pushed = record.release();
        pushed->next = newest_.load(std::memory_order_relaxed);
        while (!newest_.compare_exchange_weak(pushed->next, pushed)) {
        }
    }

    bool empty() const { return newest_.load() == nullptr; }

    /// The one taker: calls `visit` with each, in the order in which they were pushed.
    template <class F>
    void take_all(F&& visit)
    {
        QueuedRecord* oldest = nullptr;
        for (auto* node = newest_.exchange(nullptr); node != nullptr;)
            oldest = std::exchange(node, std::exchange(node->next, oldest));
        while (oldest != nullptr) {
            std::unique_ptr<QueuedRecord> record{oldest};
            oldest = record->next;
            visit(std::move(record));
        }
    }

  private:
    std::atomic<QueuedRecord*> newest_{nullptr};
};

}  // namespace route::storage
