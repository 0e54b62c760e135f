#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/any_repository.hpp"
#include "storage/record_writer.hpp"
#include "tests/storage/databases.hpp"
#include "tests/storage/fake_database.hpp"
#include "tests/storage/samples.hpp"
#include "tests/storage/tempdir.hpp"

namespace route::test {

inline storage::WriterTiming fast()
{
    storage::WriterTiming timing;
    timing.patience = 10s;
    timing.first_retry = timing.longest_retry = 1ms;
    timing.give_up = 60s;
    return timing;
}

/// A record writer and what it tells.
class Writing
{
  public:
    explicit Writing(storage::Connector connector, RecordSettings settings = {},
                     storage::WriterTiming timing = fast(), const std::string& outbox_name = "outbox.sqlite")
        : outbox_path{directory / outbox_name},
          writer{std::move(connector), {settings, outbox_path, timing}, hooks()}
    {
    }

    void take(std::uint64_t number) { writer.take(queued(sample_record(number))); }

    /// Takes it like durability "commit" does, and waits for it to be stored.
    [[nodiscard]] bool take_and_wait(std::uint64_t number)
    {
        writer.take(queued(sample_record(number), [this] { bell.ring([&] { ++stored; }); }));
        ++waited_for;
        return bell.until([&] { return stored == waited_for; });
    }

    void stop() { writer.stop(std::chrono::steady_clock::now() + 5s); }

    TempDir directory;
    std::string outbox_path;
    Bell bell;
    int stored = 0;
    int waited_for = 0;
    std::vector<std::string> completed;
    std::size_t written = 0;
    std::vector<std::size_t> batches;

  private:
    storage::WriterHooks hooks()
    {
        storage::WriterHooks hooks;
        hooks.on_completed = [this](const Record& record) {
            bell.ring([&] { completed.push_back(record.request_id); });
        };
        hooks.on_written = [this](std::size_t records, Nanoseconds) {
            bell.ring([&] {
                written += records;
                batches.push_back(records);
            });
        };
        return hooks;
    }

  public:
    storage::RecordWriter writer;
};

inline storage::Connector sqlite_connector(const SqliteDatabase& database)
{
    return [path = database.path()]() -> std::unique_ptr<storage::RecordStore> {
        storage::SqliteOptions options;
        options.path = path;
        options.create = false;
        options.busy_timeout = options.migration_timeout = 2ms;
        return storage::any(storage::SqliteRepository{options});
    };
}

inline RecordSettings flushing_after(unsigned milliseconds)
{
    RecordSettings settings;
    settings.flush = milliseconds;
    return settings;
}

}  // namespace route::test
