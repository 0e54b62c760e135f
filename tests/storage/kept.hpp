#pragma once

#include <string>
#include <vector>

#include "storage/record_keeper.hpp"
#include "tests/storage/fake_database.hpp"
#include "tests/storage/samples.hpp"
#include "tests/storage/tempdir.hpp"
#include "tests/support/catch.hpp"

namespace route::test {

/// A keeper over a fake database and a real outbox, with a clock that the test turns.
class Kept
{
  public:
    explicit Kept(FakeDatabase& database, const std::string& outbox_name = "outbox.sqlite",
                  storage::Connector drain = {})
        : outbox_path{directory / outbox_name},
          keeper{{database.connector(), std::move(drain)}, outbox_path, timing(), hooks(), [this] {
                     bell_.ring([&] { ++woken_; });
                 }}
    {
    }

    static storage::WriterTiming timing() { return {}; }

    /// Lets what is on its way, a connection or records out of the outbox, come to its end.
    void connect()
    {
        tend();
        while (keeper.busy()) {
            REQUIRE(bell_.until([&] { return woken_ > seen_; }));
            ++seen_;
            tend();
        }
    }

    /// Lets the time of the next try pass, and the new connection be made.
    void reconnect()
    {
        now += 10s;
        connect();
    }

    /// The same, and does what the record writer does then.
    void retry()
    {
        reconnect();
        if (keeper.half_open())
            keep({});
        connect();
    }

    storage::RecordKeeper::TimePoint tend() { return keeper.tend(now); }

    std::size_t keep(const std::vector<Record>& records) { return keeper.keep(records, now); }

    storage::RecordKeeper::TimePoint now = std::chrono::steady_clock::now();
    TempDir directory;
    std::string outbox_path;
    std::size_t written = 0;
    std::size_t dropped = 0;
    int rejected = 0;

  private:
    storage::WriterHooks hooks()
    {
        storage::WriterHooks hooks;
        hooks.on_written = [this](std::size_t records, Nanoseconds) { written += records; };
        hooks.on_dropped = [this](std::size_t records) { dropped += records; };
        hooks.on_rejected = [this] { ++rejected; };
        return hooks;
    }

    Bell bell_;
    int woken_ = 0;
    int seen_ = 0;

  public:
    storage::RecordKeeper keeper;
};

inline std::vector<Record> samples(std::uint64_t from, std::uint64_t count)
{
    std::vector<Record> records;
    for (auto i = from; i < from + count; ++i)
        records.push_back(sample_record(i));
    return records;
}

inline std::vector<std::string> ids_of(std::uint64_t from, std::uint64_t count)
{
    std::vector<std::string> ids;
    for (auto i = from; i < from + count; ++i)
        ids.push_back(request_id(i));
    return ids;
}

}  // namespace route::test
