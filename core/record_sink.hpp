#pragma once

#include <cstdint>
#include <functional>

#include "core/record.hpp"

namespace route {

/// Where finished requests go. Called on event loops' threads: implementations neither block nor throw.
class RecordSink
{
  public:
    virtual ~RecordSink() = default;

    /// Takes the record of a finished request. `stored`, when given, is called once, on another thread, as
    /// soon as the record is in the database or the outbox, or given up on (durability "commit": the reply's
    /// last byte waits for it).
    virtual void take(Record&& record, std::function<void()> stored) = 0;

    /// Whether a new request's record would find room; false only while neither database nor outbox take
    /// records and the queue is full.
    virtual bool has_room() const = 0;

    /// Bytes of records held in memory, for `server.max_buffered`.
    virtual std::uint64_t held_bytes() const { return 0; }

    /// Counts a request served although there was no room (after waiting): its record is lost, and said to
    /// be.
    virtual void dropped(const Record& record) = 0;
};

}  // namespace route
