#include "storage/record_keeper.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "core/text.hpp"

namespace route::storage {

namespace {

using Kind = StorageError::Kind;

/// Of one outage, that are told.
constexpr std::size_t most_reasons = 10;

/// A transaction that takes longer comes near to what it may take.
constexpr std::chrono::milliseconds slow{300};

std::string rejected_path(const std::string& outbox_path)
{
    return (std::filesystem::path{outbox_path}.parent_path() / "rejected-records.jsonl").string();
}

/// As many from the front as make one transaction.
std::span<const Record> batch_of(std::span<const Record> records,
                                 std::size_t most_rows = RecordKeeper::batch_rows,
                                 std::size_t most_bytes = RecordKeeper::batch_bytes)
{
    std::size_t rows = 0;
    std::size_t bytes = 0;
    while (rows < records.size() && rows < most_rows && bytes < most_bytes) {
        bytes += records[rows].body.size() + records[rows].response.size();
        ++rows;
    }
    return records.first(rows);
}

}  // namespace

RecordKeeper::RecordKeeper(Connector connector, const std::string& outbox_path, const WriterTiming& timing,
                           WriterHooks hooks, std::function<void()> wake)
    : connector_{std::move(connector)},
      timing_{timing},
      hooks_{std::move(hooks)},
      wake_{std::move(wake)},
      outbox_{outbox_path},
      rejected_{rejected_path(outbox_path)},
      backoff_{timing.first_retry},
      recount_at_{std::chrono::steady_clock::now() + timing.recount}
{
    if (outbox_.size() > 0)
        spdlog::info("{} records of an earlier run wait in the outbox", outbox_.size());
    connecting_.emplace(connector_, wake_);
}

std::size_t RecordKeeper::keep(std::span<const Record> records, TimePoint now)
{
    std::size_t kept = 0;
    if (database_ && (!away_ || on_trial_))
        kept = keep_in_database(records, now);
    if (kept < records.size() && !starting())
        kept += keep_in_outbox(records.subspan(kept), now);
    if (kept == records.size())
        taking_ = true;
    return kept;
}

void RecordKeeper::give_up_starting()
{
    say_that_it_is_away(fmt::format("no connection within {} ms", timing_.patience.count()));
}

std::size_t RecordKeeper::keep_in_outbox(std::span<const Record> records, TimePoint now)
{
    std::size_t kept = 0;
    while (kept < records.size() && (!outbox_fails_ || now >= outbox_retry_at_)) {
        const auto batch = batch_of(records.subspan(kept));
        const auto inserted = insert_all(batch, [&](auto part) { outbox_.insert(part); });
        kept += inserted.records;
        if (!inserted.failure.empty())
            outbox_failed(inserted.failure, now);
        else if (outbox_fails_.exchange(false))
            spdlog::info("the outbox takes records again");
    }
    taking_ = kept == records.size();
    return kept;
}

std::size_t RecordKeeper::keep_in_database(std::span<const Record> records, TimePoint now)
{
    std::size_t kept = 0;
    do {
        const auto inserted = into_database(batch_of(records.subspan(kept), rows_at_once(), bytes_at_once()));
        kept += inserted.records;
        if (!inserted.failure.empty()) {
            went_away(inserted.failure, now);
            return kept;
        }
    } while (kept < records.size());
    came_back();
    return kept;
}

RecordKeeper::Inserted RecordKeeper::into_database(std::span<const Record> records)
{
    auto slowest = Nanoseconds{};
    const auto inserted = insert_all(records, [&](std::span<const Record> part) {
        const auto start = std::chrono::steady_clock::now();
        database_->insert(part);
        const Nanoseconds took = std::chrono::steady_clock::now() - start;
        slowest = std::max(slowest, took);
        if (hooks_.on_written && !part.empty())
            hooks_.on_written(part.size(), took);
    });
    if (!inserted.failure.empty() || slowest > slow)
        halvings_ = std::min(halvings_ + 1, most_halvings);
    else if (halvings_ > 0)
        --halvings_;
    return inserted;
}

RecordKeeper::Inserted RecordKeeper::insert_all(std::span<const Record> records, const Insert& insert)
{
    // One row that is refused fails its whole transaction: the part is halved until that row is alone, and
    // grows again behind it.
    std::size_t done = 0;
    std::size_t rows = records.size();
    do {
        const auto part = records.subspan(done, std::min(rows, records.size() - done));
        std::string refusal;
        try {
            insert(part);
            done += part.size();
            rows *= 2;
            continue;
        } catch (const StorageError& error) {
            if (error.kind() == Kind::unavailable || error.kind() == Kind::broken || part.empty())
                return {done, error.what()};
            refusal = error.what();
        } catch (const std::exception& error) {
            if (part.empty())
                return {done, error.what()};
            refusal = error.what();
        }
        rows = part.size() / 2;
        if (part.size() == 1) {
            set_aside(part.front(), refusal);
            rows = 1;
            ++done;
        }
    } while (done < records.size());
    return {done};
}

void RecordKeeper::set_aside(const Record& record, const std::string& reason)
{
    const bool written = rejected_.add(record, reason);
    spdlog::error("record {} is refused by the database and {}: {}", escape_for_log(record.request_id),
                  written ? "set aside in rejected-records.jsonl" : "lost", escape_for_log(reason));
    if (written && hooks_.on_rejected)
        hooks_.on_rejected();
    else if (!written && hooks_.on_dropped)
        hooks_.on_dropped(1);
}

RecordKeeper::TimePoint RecordKeeper::tend(TimePoint now)
{
    look_after_connection(now);
    if (database_ && may_drain(now))
        drain(now);
    if (now >= recount_at_)
        recount_outbox(now);

    auto next = recount_at_;
    if (!database_ && !connecting_)
        next = std::min(next, retry_at_);
    if (outbox_fails_ || (database_ && outbox_.size() > 0))
        next = std::min(next, outbox_retry_at_);
    return next;
}

std::string RecordKeeper::degraded() const
{
    if (away_ && outbox_fails_)
        return "neither the database nor the outbox takes records";
    if (away_)
        return fmt::format("the database does not take records, {} wait in the outbox", outbox_.size());
    if (outbox_fails_)
        return "the outbox fails";
    return {};
}

void RecordKeeper::look_after_connection(TimePoint now)
{
    if (connecting_ && connecting_->done()) {
        try {
            database_ = connecting_->result();
            // It is back when it has taken something: a locked database can be opened, too.
            on_trial_ = away_ && !may_drain(now);
        } catch (const std::exception& error) {
            went_away(error.what(), now);
        }
        connecting_.reset();
    }
    if (!database_ && !connecting_ && now >= retry_at_)
        connecting_.emplace(connector_, wake_);
}

void RecordKeeper::came_back()
{
    on_trial_ = false;
    reasons_.clear();
    if (away_.exchange(false))
        spdlog::info("the database takes records again; {} waited in the outbox", outbox_.size());
    backoff_ = timing_.first_retry;
}

void RecordKeeper::went_away(const std::string& reason, TimePoint now)
{
    database_.reset();
    on_trial_ = false;
    say_that_it_is_away(reason);
    retry_at_ = now + backoff_;
    backoff_ = std::min(backoff_ * 2, timing_.longest_retry);
}

void RecordKeeper::say_that_it_is_away(const std::string& reason)
{
    const bool is_new = reasons_.size() < most_reasons && reasons_.insert(reason).second;
    if (!away_.exchange(true))
        spdlog::warn("the database does not take records, they go to the outbox: {}", escape_for_log(reason));
    else if (is_new)
        spdlog::info("the database is still away: {}", escape_for_log(reason));
}

void RecordKeeper::outbox_failed(const std::string& reason, TimePoint now)
{
    if (!outbox_fails_.exchange(true))
        spdlog::error("the outbox fails: {}", escape_for_log(reason));
    outbox_retry_at_ = now + timing_.first_retry;
}

void RecordKeeper::drain(TimePoint now)
{
    try {
        const auto records = outbox_.oldest(rows_at_once(), bytes_at_once());
        const auto inserted = into_database(records);
        if (inserted.failure.empty())
            came_back();
        else
            went_away(inserted.failure, now);
        if (inserted.records == 0)
            return;
        outbox_.erase(std::span{records}.first(inserted.records));
        outbox_fails_ = false;
    } catch (const std::exception& error) {
        outbox_failed(error.what(), now);
        on_trial_ = away_ && database_;
    }
}

void RecordKeeper::recount_outbox(TimePoint now)
{
    recount_at_ = now + timing_.recount;
    try {
        if (!outbox_fails_)
            outbox_.recount();
    } catch (const std::exception& error) {
        outbox_failed(error.what(), now);
    }
}

}  // namespace route::storage
