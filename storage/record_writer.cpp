#include "storage/record_writer.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <new>
#include <utility>

#include "core/counted.hpp"

namespace route::storage {

namespace {

/// So much waiting wakes a thread that gathers: it would be more than a batch.
constexpr std::size_t enough_bytes = RecordKeeper::batch_bytes;

/// Longest that a record waits to be completed, and so to be logged and told of, while others gather.
constexpr std::chrono::milliseconds longest_unread{100};

/// What is thrown by `function`, memory that is short above all, ends here, in the log; whether nothing was.
template <class F>
bool contained(F&& function) noexcept
{
    try {
        std::forward<F>(function)();
        return true;
    } catch (const std::exception& error) {
        spdlog::error("the record writer: {}", error.what());
    } catch (...) {
        spdlog::error("the record writer: unknown");
    }
    return false;
}

/// Who waits is told, however short memory is: untold, that would wait for ever.
void call(std::function<void()>& stored) noexcept
{
    constexpr std::chrono::milliseconds pause{10};
    while (stored) {
        try {
            stored();
            stored = nullptr;
        } catch (const std::bad_alloc&) {
            std::this_thread::sleep_for(pause);
        } catch (const std::exception& error) {
            spdlog::error("the record writer: {}", error.what());
            stored = nullptr;
        }
    }
}

std::string lost_records(std::uint64_t records)
{
    return counted(records, "record") + (records == 1 ? " is lost" : " are lost");
}

}  // namespace

RecordWriter::RecordWriter(Connector connector, const WriterOptions& options, WriterHooks hooks)
    : hooks_{counting(std::move(hooks))},
      timing_{options.timing},
      queue_limit_{options.records.queue},
      new_settings_{options.records},
      keeper_{{std::move(connector), options.drain}, options.outbox, timing_, hooks_, [this] { attend(); }},
      thread_{[this] { run(); }}
{
}

RecordWriter::~RecordWriter()
{
    if (thread_.joinable())
        stop(std::chrono::steady_clock::now() + std::chrono::seconds{1});
}

void RecordWriter::take(std::unique_ptr<QueuedRecord> record)
{
    const bool waited_for = static_cast<bool>(record->stored);
    const auto bytes = record->record.memory();
    record->bytes = bytes;
    record->taken_at = std::chrono::steady_clock::now();
    const auto before = queue_bytes_.fetch_add(bytes);  // first: the writer subtracts as soon as it has it
    queue_.push(std::move(record));
    const bool enough = before < enough_bytes && before + bytes >= enough_bytes;
    if (waited_for || enough)
        attend();
    else
        sleeper_.wake(Sleeper::Call::any);
}

void RecordWriter::dropped(std::unique_ptr<QueuedRecord> record)
{
    std::string{}.swap(record->record.body);
    record->record.reply = {};
    record->lost = true;
    queue_.push(std::move(record));
    sleeper_.wake(Sleeper::Call::any);
}

void RecordWriter::attend()
{
    attend_ = true;
    sleeper_.wake(Sleeper::Call::urgent);
}

void RecordWriter::configure(const RecordSettings& settings)
{
    {
        const std::lock_guard lock{settings_mutex_};
        new_settings_ = settings;
    }
    queue_limit_ = settings.queue;
    settings_changed_ = true;
}

void RecordWriter::stop(std::chrono::steady_clock::time_point deadline)
{
    stop_by_ = deadline;
    stopping_ = true;
    attend();
    if (thread_.joinable())
        thread_.join();
}

void RecordWriter::hurry()
{
    hurried_ = true;
    attend();
}

std::string RecordWriter::degraded() const
{
    auto text = keeper_.degraded();
    if (const auto lost = this->lost(); lost > 0)
        text += (text.empty() ? "" : "; ") + lost_records(lost);
    return text;
}

WriterHooks RecordWriter::counting(WriterHooks hooks)
{
    WriterHooks counted;
    counted.on_completed = std::move(hooks.on_completed);
    counted.on_collected = std::move(hooks.on_collected);
    counted.on_written = [this, next = std::move(hooks.on_written)](std::size_t records, Nanoseconds took) {
        written_ += records;
        if (next)
            next(records, took);
    };
    counted.on_dropped = [this, next = std::move(hooks.on_dropped)](std::size_t records) {
        lost_ += records;
        if (next)
            next(records);
    };
    counted.on_rejected = [this, next = std::move(hooks.on_rejected)] {
        ++rejected_;
        if (next)
            next();
    };
    return counted;
}

void RecordWriter::run()
{
    while (!stopping_)
        if (!contained([this] { turn(); })) {
            const auto retry = std::chrono::steady_clock::now() + timing_.first_retry;
            retry_at_ = pending_.empty() ? TimePoint{} : retry;
            sleeper_.sleep(Sleeper::Call::urgent, retry, [this] { return stopping_.load(); });
        }
    contained([this] { flush_until(stop_by_); });
    contained([this] { lose_the_rest(); });
}

void RecordWriter::turn()
{
    apply_settings();
    collect();
    auto now = std::chrono::steady_clock::now();
    if (write_at() <= now)
        write(now);
    give_up_waiting(now);
    now = std::chrono::steady_clock::now();
    const auto tend_at = keeper_.tend(now);
    sleep(std::min({tend_at, write_at(), give_up_at()}));
}

void RecordWriter::sleep(TimePoint until)
{
    if (pending_.empty())
        sleeper_.sleep(Sleeper::Call::any, until, [this] { return attend_ || !queue_.empty(); });
    else
        sleeper_.sleep(Sleeper::Call::urgent,
                       std::min(until, std::chrono::steady_clock::now() + longest_unread),
                       [this] { return attend_.load(); });
}

void RecordWriter::apply_settings()
{
    if (!settings_changed_.exchange(false))
        return;
    const std::lock_guard lock{settings_mutex_};
    limits_ = {new_settings_.request_body, new_settings_.max_request_body, new_settings_.response,
               new_settings_.max_response};
    flush_ = std::chrono::milliseconds{new_settings_.flush};
}

void RecordWriter::collect()
{
    attend_ = false;
    if (queue_.empty())
        return;
    queue_.take_all([this](std::unique_ptr<QueuedRecord> queued) {
        if (!contained([&] { complete(*queued); }))
            lose(*queued);
        if (!queued->lost)
            spares_.give(std::move(queued));
    });
    if (hooks_.on_collected)
        hooks_.on_collected();
}

void RecordWriter::complete(QueuedRecord& queued)
{
    auto& record = queued.record;
    complete_record(record, limits_);
    contained([&] {
        if (hooks_.on_completed)
            hooks_.on_completed(record);
    });
    if (queued.lost) {
        spdlog::error("the record of request {} is lost: there was no room for it", record.request_id);
        hooks_.on_dropped(1);
        return;
    }
    if (!record.authenticated) {
        queue_bytes_ -= queued.bytes;
        call(queued.stored);
        return;
    }
    if (records_.size() == pending_.size())
        records_.emplace_back();
    pending_.push_back({{}, queued.bytes, queued.taken_at});
    // Nothing fails any more.
    records_[pending_.size() - 1].swap(record);
    waited_for_ = waited_for_ || queued.stored;
    pending_bytes_ += queued.bytes;
    pending_.back().stored = std::move(queued.stored);
}

/// There is not even the memory for its place among the others.
void RecordWriter::lose(QueuedRecord& queued)
{
    if (queued.record.authenticated && !queued.lost) {
        queue_bytes_ -= queued.bytes;
        contained([&] { hooks_.on_dropped(1); });
    }
    call(queued.stored);
}

/// When the pending records are to be written.
RecordWriter::TimePoint RecordWriter::write_at() const
{
    if (keeper_.half_open())
        return TimePoint{};
    if (pending_.empty())
        return TimePoint::max();
    if (keeper_.starting())
        return std::max(retry_at_, pending_.front().taken_at + timing_.patience);
    if (retry_at_ != TimePoint{})
        return retry_at_;
    if (waited_for_ || pending_bytes_ >= enough_bytes)
        return TimePoint{};
    return pending_.front().taken_at + flush_;
}

RecordWriter::TimePoint RecordWriter::give_up_at() const
{
    if (waited_for_)
        for (const auto& pending : pending_)
            if (pending.stored)
                return pending.taken_at + timing_.give_up;
    return TimePoint::max();
}

/// How long those may be kept waiting that are waited for.
std::chrono::milliseconds RecordWriter::patience(TimePoint now) const
{
    // However late it is, the database has a chance.
    constexpr std::chrono::milliseconds least{300};
    if (waited_for_)
        for (const auto& pending : pending_)
            if (pending.stored)
                return std::max(least, std::chrono::duration_cast<std::chrono::milliseconds>(
                                           pending.taken_at + timing_.bound - now));
    return std::chrono::milliseconds::max();
}

void RecordWriter::write(TimePoint now)
{
    // It had its patience: write_at() says so.
    if (keeper_.starting())
        keeper_.give_up_starting();
    settle(keeper_.keep(records(), now, patience(now)));
    retry_at_ = pending_.empty() ? TimePoint{} : now + timing_.first_retry;
}

/// Nobody waits for ever: the records stay in the queue all the same.
void RecordWriter::give_up_waiting(TimePoint now)
{
    if (give_up_at() > now)
        return;
    waited_for_ = false;
    for (auto& pending : pending_)
        if (pending.taken_at + timing_.give_up <= now)
            call(pending.stored);
        else
            waited_for_ = waited_for_ || pending.stored;
}

void RecordWriter::settle(std::size_t count)
{
    const auto end = static_cast<std::ptrdiff_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
        queue_bytes_ -= pending_[i].bytes;
        pending_bytes_ -= pending_[i].bytes;
        call(pending_[i].stored);
    }
    forget(count);
    pending_.erase(pending_.begin(), pending_.begin() + end);
    waited_for_ =
        std::any_of(pending_.begin(), pending_.end(), [](const auto& pending) { return !!pending.stored; });
}

/// Takes the first `count` off the records; as many as are usual are kept, as memory for others.
void RecordWriter::forget(std::size_t count)
{
    const auto end = static_cast<std::ptrdiff_t>(count);
    const auto all = static_cast<std::ptrdiff_t>(pending_.size());
    for (auto record = records_.begin(); record != records_.begin() + end; ++record)
        if (record->memory() > SpareRecords::most_bytes)
            *record = Record{};
    std::rotate(records_.begin(), records_.begin() + end, records_.begin() + all);
    const auto left = std::max(pending_.size() - count, SpareRecords::most);
    if (records_.size() > left) {
        records_.resize(left);
        records_.shrink_to_fit();
    }
}

void RecordWriter::flush_until(TimePoint deadline)
{
    constexpr std::chrono::milliseconds pause{20};
    for (;;) {
        apply_settings();
        collect();
        const auto now = std::chrono::steady_clock::now();
        if (pending_.empty()) {
            keeper_.stop_draining();
            return;
        }
        if (now >= deadline || hurried_)
            break;
        const bool wait = keeper_.starting() && write_at() > now;
        // A batch at a time, so that a slow database does not run past the deadline.
        const auto batch = records().first(std::min(pending_.size(), RecordKeeper::batch_rows));
        if (!wait && keeper_.starting())
            keeper_.give_up_starting();
        const auto kept = wait ? 0 : keeper_.keep(batch, now);
        settle(kept);
        if (kept > 0)
            continue;
        const auto tend_at = keeper_.tend(now);
        if (!keeper_.half_open())
            sleeper_.sleep(Sleeper::Call::urgent, std::min({deadline, now + pause, tend_at}),
                           [this] { return attend_.load(); });
    }
    keeper_.stop_draining();
    // The outbox is tried once more, however short ago it failed.
    settle(keeper_.keep_in_outbox(records(), std::chrono::steady_clock::now() + timing_.first_retry));
    lose_the_rest();
}

void RecordWriter::lose_the_rest()
{
    if (pending_.empty())
        return;
    spdlog::error("{}, taken by neither the database nor the outbox", lost_records(pending_.size()));
    hooks_.on_dropped(pending_.size());
    settle(pending_.size());
}

}  // namespace route::storage
