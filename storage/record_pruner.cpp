#include "storage/record_pruner.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "core/text.hpp"

namespace route::storage {

namespace {

using Clock = std::chrono::steady_clock;

/// The lock is free for so many times as long as it was held.
constexpr int pauses_a_step = 2;

/// After a step that went well.
PruneBounds more_than(PruneBounds bounds)
{
    bounds.rows = std::min(bounds.rows * 2, PruneBounds{}.rows);
    bounds.bytes = std::min(bounds.bytes * 2, PruneBounds{}.bytes);
    return bounds;
}

/// A database that is kept small loses its oldest partition: they must not be long.
std::optional<Seconds> room_for(const RecordSettings& settings)
{
    constexpr Seconds a_month{30 * 86'400.0};
    if (settings.retention || !settings.max_database)
        return settings.retention;
    return a_month;
}

}  // namespace

RecordPruner::RecordPruner(Connector connector, PrunerOptions options)
    : connector_{std::move(connector)},
      files_{std::move(options.files)},
      timing_{options.timing},
      settings_{std::move(options.records)},
      thread_{[this] { run(); }}
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

std::optional<std::uint64_t> RecordPruner::database_bytes() const
{
    const std::lock_guard lock{mutex_};
    return database_bytes_;
}

std::optional<DiskSpace> RecordPruner::disk() const
{
    const std::lock_guard lock{mutex_};
    return disk_;
}

void RecordPruner::run()
{
    auto pass_at = Clock::now() + timing_.first;
    auto measure_at = Clock::now();
    for (;;) {
        wait_until(std::min(pass_at, measure_at));
        RecordSettings settings;
        {
            const std::lock_guard lock{mutex_};
            if (stopping_)
                return;
            settings = settings_;
            if (std::exchange(anew_, false))
                pass_at = measure_at = Clock::now() + timing_.first;
        }
        if (Clock::now() >= pass_at)
            pass_at = try_to(Task::prune, settings, timing_.interval);
        if (Clock::now() < measure_at)
            continue;
        look_at_disk();
        measure_at = try_to(Task::measure, settings, timing_.measure);
    }
}

/// False when there is something else to do: an end, or other settings.
bool RecordPruner::wait_until(TimePoint time)
{
    std::unique_lock lock{mutex_};
    return !changed_.wait_until(lock, time, [this] { return stopping_ || anew_; });
}

/// When it is due again.
RecordPruner::TimePoint RecordPruner::try_to(Task task, const RecordSettings& settings,
                                             std::chrono::milliseconds interval) noexcept
{
    bool opened = false;
    try {
        if (!database_)
            database_ = connector_();
        opened = true;
        task == Task::prune ? pass(settings) : measure(settings);
        succeeded(task);
        return Clock::now() + interval;
    } catch (const NotOpened& error) {
        failed(task, error.what(), false);
    } catch (const std::exception& error) {
        failed(task, error.what(), opened);
    } catch (...) {
        failed(task, "unknown", opened);
    }
    return Clock::now() + std::min(interval, timing_.retry);
}

void RecordPruner::pass(const RecordSettings& settings)
{
    database_->make_room(std::chrono::system_clock::now(), room_for(settings));
    if (prune(settings.retention, &RecordStore::prune_step))
        prune(settings.body_retention, &RecordStore::prune_bodies_step);
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
        bounds_ = more_than(bounds_);
        const auto took = Clock::now() - start;
        if (!wait_until(Clock::now() + std::max<Clock::duration>(timing_.pause, pauses_a_step * took)))
            return false;
    }
}

void RecordPruner::measure(const RecordSettings& settings)
{
    const auto size = database_->size();
    {
        const std::lock_guard lock{mutex_};
        database_bytes_ = size.bytes;
    }
    if (settings.max_database && size.in_use > *settings.max_database)
        shrink(size.in_use - *settings.max_database);
    else
        too_large_ = false;
}

void RecordPruner::look_at_disk() noexcept
{
    std::optional<DiskSpace> disk;
    try {
        disk = fullest_disk(files_);
    } catch (const std::exception& error) {
        spdlog::warn("the disk could not be looked at: {}", error.what());
    }
    {
        const std::lock_guard lock{mutex_};
        disk_ = disk;
    }
    if (!disk || disk->scarce() == scarce_)
        return;
    scarce_ = disk->scarce();
    constexpr std::uint64_t mebibyte = 1u << 20;
    if (scarce_)
        spdlog::warn("the disk of the database is nearly full: {} of {} MiB are free", disk->free / mebibyte,
                     disk->total / mebibyte);
    else
        spdlog::info("the disk of the database has room again: {} MiB", disk->free / mebibyte);
}

/// By so many bytes; what comes meanwhile is seen the next time.
void RecordPruner::shrink(std::uint64_t excess)
{
    for (;;) {
        const auto start = Clock::now();
        auto bounds = bounds_;
        bounds.bytes = std::min<std::uint64_t>(bounds.bytes, excess);
        const auto step = database_->shrink_step(bounds);
        bounds_ = more_than(bounds_);
        excess -= std::min(excess, step.bytes);
        if (excess == 0)
            break;
        if (step.done) {
            if (!std::exchange(too_large_, true))
                spdlog::warn(
                    "the database is larger than records.max_database, and nothing is left in it that could "
                    "go");
            return;
        }
        if (!wait_until(Clock::now() +
                        std::max<Clock::duration>(timing_.pause, pauses_a_step * (Clock::now() - start))))
            return;
    }
    too_large_ = false;
}

void RecordPruner::succeeded(Task task)
{
    const bool again = failing_.any();
    failing_.reset(static_cast<std::size_t>(task));
    if (again && failing_.none())
        spdlog::info("partitions are made and older records deleted again");
}

/// Warned of once, until all went well again. `opened`: the database was there, and perhaps it was too much
/// for the time a transaction has.
void RecordPruner::failed(Task task, const char* reason, bool opened) noexcept
{
    database_.reset();
    if (opened) {
        bounds_.rows = std::max<std::size_t>(1, bounds_.rows / 2);
        bounds_.bytes = std::max<std::size_t>(1, bounds_.bytes / 2);
    }
    const auto level = failing_.any() ? spdlog::level::debug : spdlog::level::warn;
    failing_.set(static_cast<std::size_t>(task));
    try {
        spdlog::log(level, "partitions could not be made or older records deleted yet: {}",
                    escape_for_log(reason));
    } catch (const std::bad_alloc&) {
        spdlog::log(level, "partitions could not be made or older records deleted yet: out of memory");
    }
}

}  // namespace route::storage
