#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "core/settings.hpp"
#include "storage/connecting.hpp"

namespace route::storage {

/// How long things take; tests make it short.
struct PrunerTiming
{
    using Milliseconds = std::chrono::milliseconds;

    Milliseconds first{10'000};        ///< after the start or a change of the settings
    Milliseconds interval{3'600'000};  ///< between two looks at the whole
    Milliseconds retry{60'000};        ///< after a step that failed
    Milliseconds pause{10};            ///< between two steps, at least; others have the database meanwhile
};

/// Deletes what is older than its retention and makes room for the records of the next days (partitions), on
/// a thread and a connection of its own: records never wait for it longer than for one short step.
class RecordPruner
{
  public:
    /// Starts the thread, which opens the database when something is to be done; it need not be there.
    RecordPruner(Connector connector, const RecordSettings& settings, const PrunerTiming& timing = {});

    /// stop().
    ~RecordPruner();

    /// Another retention from now on. Any thread.
    void configure(const RecordSettings& settings);

    /// Ends the thread, after the step in which it may be. What is left waits for the next run.
    void stop();

  private:
    using TimePoint = std::chrono::steady_clock::time_point;
    using Step = PruneStep (RecordStore::*)(SystemTime, const PruneBounds&);

    void run();
    bool wait_until(TimePoint time);
    TimePoint pass(const RecordSettings& settings);
    bool prune(std::optional<Seconds> retention, Step step);
    void failed(const char* reason) noexcept;

    Connector connector_;
    const PrunerTiming timing_;

    std::mutex mutex_;
    std::condition_variable changed_;
    RecordSettings settings_;  ///< of the mutex
    bool anew_ = false;        ///< of the mutex: the settings changed
    bool stopping_ = false;    ///< of the mutex

    // Of the thread:
    std::unique_ptr<RecordStore> database_;
    PruneBounds bounds_;
    std::thread thread_;
};

}  // namespace route::storage
