#pragma once

#include <bitset>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/settings.hpp"
#include "storage/connecting.hpp"
#include "storage/disk_space.hpp"

namespace route::storage {

/// How long things take; tests make it short.
struct PrunerTiming
{
    using Milliseconds = std::chrono::milliseconds;

    Milliseconds first{10'000};        ///< after the start or a change of the settings
    Milliseconds interval{3'600'000};  ///< between two looks at the whole
    Milliseconds measure{60'000};      ///< between two looks at how large it is
    Milliseconds retry{60'000};        ///< after a step that failed
    Milliseconds pause{10};            ///< between two steps, at least; others have the database meanwhile
};

struct PrunerOptions
{
    RecordSettings records;
    std::vector<std::string> files = {};  ///< on whose disks there should be room
    PrunerTiming timing = {};
};

/// Deletes what is older than its retention or too much for `max_database`, and makes room for the records of
/// the next days (partitions), on a thread and a connection of its own: records never wait for it longer than
/// for one short step. Measures the database and its disk, and warns when that becomes full.
class RecordPruner
{
  public:
    /// Starts the thread, which opens the database when something is to be done; it need not be there.
    RecordPruner(Connector connector, PrunerOptions options);

    /// stop().
    ~RecordPruner();

    /// Another retention from now on. Any thread.
    void configure(const RecordSettings& settings);

    /// Ends the thread, after the step in which it may be. What is left waits for the next run.
    void stop();

    // As they were measured last; nothing before. Any thread.

    std::optional<std::uint64_t> database_bytes() const;
    std::optional<DiskSpace> disk() const;

  private:
    using TimePoint = std::chrono::steady_clock::time_point;
    enum class Task
    {
        prune,
        measure
    };
    using Step = PruneStep (RecordStore::*)(SystemTime, const PruneBounds&);

    void run();
    bool wait_until(TimePoint time);
    TimePoint try_to(Task task, const RecordSettings& settings, std::chrono::milliseconds interval) noexcept;
    void pass(const RecordSettings& settings);
    bool prune(std::optional<Seconds> retention, Step step);
    void measure(const RecordSettings& settings);
    void look_at_disk() noexcept;
    void shrink(std::uint64_t excess);
    void succeeded(Task task);
    void failed(Task task, const char* reason, bool opened) noexcept;

    Connector connector_;
    const std::vector<std::string> files_;
    const PrunerTiming timing_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    RecordSettings settings_;                      ///< of the mutex
    bool anew_ = false;                            ///< of the mutex: the settings changed
    bool stopping_ = false;                        ///< of the mutex
    std::optional<std::uint64_t> database_bytes_;  ///< of the mutex
    std::optional<DiskSpace> disk_;                ///< of the mutex

    // Of the thread:
    std::unique_ptr<RecordStore> database_;
    PruneBounds bounds_;
    std::bitset<2> failing_;  ///< by task
    bool scarce_ = false;     ///< that is told
    bool too_large_ = false;  ///< that is told
    std::thread thread_;
};

}  // namespace route::storage
