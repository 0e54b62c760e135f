#include "storage/record_pruner.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "core/text.hpp"

namespace route::storage {

namespace {

using Clock = std::chrono::steady_clock;

/// The lock is free for so many times as long as it was held.
constexpr int pauses_a_step = 2;

}  // namespace

RecordPruner::RecordPruner(Connector connector, const RecordSettings& settings, const PrunerTiming& timing)
    : connector_{std::move(connector)}, timing_{timing}, settings_{settings}, thread_{[this] { run(); }}
{
}

RecordPruner::~RecordPruner()
{
    stop();
}

void RecordPruner::configure(const RecordSettings& settings)
{
    const std::lock_guard lock{mutex_};
    if (settings == settings_)
        return;
    settings_ = settings;
    anew_ = true;
    changed_.notify_all();
}

void RecordPruner::stop()
{
    {
        const std::lock_guard lock{mutex_};
        stopping_ = true;
        changed_.notify_all();
    }
    if (thread_.joinable())
        thread_.join();
}

void RecordPruner::run()
{
    auto next = Clock::now() + timing_.first;
    for (;;) {
        const bool undisturbed = wait_until(next);
        RecordSettings settings;
        {
            const std::lock_guard lock{mutex_};
            if (stopping_)
                return;
            anew_ = false;
            settings = settings_;
        }
        next = undisturbed ? pass(settings) : Clock::now() + timing_.first;
    }
}

/// False when there is something else to do: an end, or other settings.
bool RecordPruner::wait_until(TimePoint time)
{
    std::unique_lock lock{mutex_};
    return !changed_.wait_until(lock, time, [this] { return stopping_ || anew_; });
}

/// Does what is due; when it is due again.
RecordPruner::TimePoint RecordPruner::pass(const RecordSettings& settings)
{
    try {
        if (!database_)
            database_ = connector_();
        database_->make_room(std::chrono::system_clock::now(), settings.retention);
        if (prune(settings.retention, &RecordStore::prune_step) &&
            prune(settings.body_retention, &RecordStore::prune_bodies_step))
            bounds_ = {};
        return Clock::now() + timing_.interval;
    } catch (const std::exception& error) {
        failed(error.what());
    } catch (...) {
        failed("unknown");
    }
    return Clock::now() + std::min(timing_.interval, timing_.retry);
}

/// Step by step; false when something else is to be done first.
bool RecordPruner::prune(std::optional<Seconds> retention, Step step)
{
    if (!retention)
        return true;
    const auto age = std::chrono::duration_cast<SystemTime::duration>(*retention);
    for (;;) {
        const auto start = Clock::now();
        if ((*database_.*step)(std::chrono::system_clock::now() - age, bounds_).done)
            return true;
        const auto took = Clock::now() - start;
        if (!wait_until(Clock::now() + std::max<Clock::duration>(timing_.pause, pauses_a_step * took)))
            return false;
    }
}

void RecordPruner::failed(const char* reason) noexcept
{
    database_.reset();
    // Perhaps it was too much for the time a transaction has.
    bounds_.rows = std::max<std::size_t>(1, bounds_.rows / 2);
    bounds_.bytes = std::max<std::size_t>(1, bounds_.bytes / 2);
    try {
        spdlog::warn("partitions could not be made or older records deleted yet: {}", escape_for_log(reason));
    } catch (const std::bad_alloc&) {
        spdlog::warn("partitions could not be made or older records deleted yet: out of memory");
    }
}

}  // namespace route::storage
