#include "storage/record_keeper.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "core/text.hpp"

namespace route::storage {

namespace {

/// Of one outage, that are told.
constexpr std::size_t most_reasons = 10;

/// Less is not worth trying a database for.
constexpr std::chrono::milliseconds least_bound{50};

/// As much of a start, and of the time records wait, as looking for damage in the outbox may take.
constexpr std::chrono::milliseconds look_at_start{2'000};
constexpr std::chrono::milliseconds look_again{100};

/// What the outbox holds, for a sentence about the database.
std::string waiting(std::size_t records)
{
    if (records == 0)
        return ": they go to the outbox";
    return fmt::format(", {} {} in the outbox", records, records == 1 ? "waits" : "wait");
}

std::string rejected_path(const std::string& outbox_path)
{
    return (std::filesystem::path{outbox_path}.parent_path() / "rejected-records.jsonl").string();
}

}  // namespace

RecordKeeper::RecordKeeper(Connector connector, const std::string& outbox_path, const WriterTiming& timing,
                           WriterHooks hooks, std::function<void()> wake)
    : connector_{std::move(connector)},
      timing_{timing},
      hooks_{std::move(hooks)},
      wake_{std::move(wake)},
      outbox_path_{outbox_path},
      outbox_{outbox_path},
      rejected_{rejected_path(outbox_path)},
      backoff_{timing.first_retry},
      recount_at_{std::chrono::steady_clock::now() + timing.recount},
      drain_{
          connector_, outbox_, {timing.bound, timing.first_retry, timing.longest_retry}, drain_hooks(), wake_}
{
    if (!outbox_path.empty()) {
        probe_outbox(std::chrono::steady_clock::now(), look_at_start);
        rejected_.check();
    }
    if (outbox_.size() > 0)
        spdlog::info("{} records of an earlier run wait in the outbox", outbox_.size());
    connecting_.emplace(connector_, wake_);
}

std::size_t RecordKeeper::keep(std::span<const Record> records, TimePoint now, Milliseconds patience)
{
    std::size_t kept = 0;
    if (database_ && on_trial_ && records.empty() && !takes_what_waits(now))
        return 0;
    if (database_ && (!away_ || on_trial_))
        kept = keep_in_database(records, now, patience);
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

/// A full disk lets itself be opened, and takes an empty transaction: a record shows that the database is
/// back. It stays in the outbox, and is no other when it comes from there. The next time it is the next one's
/// turn: one that fails alone shows nothing.
bool RecordKeeper::takes_what_waits(TimePoint now)
{
    constexpr std::size_t small = 64u << 10;
    const auto waiting = oldest_waiting();
    if (waiting.empty() || bytes_of(waiting) > small)
        return true;
    tried_ = waiting.front().request_id;
    try {
        database_->insert(waiting, timing_.bound);
    } catch (const StorageError& error) {
        if (error.kind() == StorageError::Kind::unavailable || error.kind() == StorageError::Kind::broken) {
            went_away(error.what(), now);
            return false;
        }
    } catch (const std::exception& error) {
        went_away(error.what(), now);
        return false;
    }
    return true;
}

std::vector<Record> RecordKeeper::oldest_waiting()
{
    try {
        if (outbox_fails_ || outbox_.size() == 0)
            return {};
        auto next = outbox_.oldest(1, 1, tried_);
        if (next.empty() && !tried_.empty())
            next = outbox_.oldest(1, 1, {});
        return next;
    } catch (const std::exception&) {
        recount_at_ = TimePoint{};  // looks at the outbox soon, and tells of it
    }
    return {};
}

std::size_t RecordKeeper::keep_in_outbox(std::span<const Record> records, TimePoint now)
{
    std::size_t kept = 0;
    while (kept < records.size() && (!outbox_fails_ || now >= outbox_retry_at_)) {
        const auto batch = batch_of(records.subspan(kept), batch_rows, batch_bytes);
        const auto inserted = insert_all(batch, [&](auto part) { outbox_.insert(part); });
        set_aside(batch, inserted.refused);
        kept += inserted.records;
        if (!inserted.failure.empty())
            outbox_failed(inserted.failure, now);
        else if (outbox_fails_.exchange(false))
            spdlog::info("the outbox takes records again");
    }
    taking_ = kept == records.size();
    return kept;
}

std::size_t RecordKeeper::keep_in_database(std::span<const Record> records, TimePoint now,
                                           Milliseconds patience)
{
    const auto start = std::chrono::steady_clock::now();
    std::size_t kept = 0;
    do {
        const auto rest = records.subspan(kept);
        if (!rest.empty() && size_.too_large(bytes_of(rest.first(1)))) {
            if (keep_in_outbox(rest.first(1), now) == 0)
                return kept;
            ++kept;
            continue;
        }
        const auto spent = std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - start);
        const auto bound = std::min(timing_.bound, patience - spent);
        if (kept > 0 && bound < least_bound)
            return kept;
        const auto inserted = into_database(next_batch(rest), std::max(bound, least_bound));
        kept += inserted.records;
        if (!inserted.failure.empty()) {
            went_away(inserted.failure, now);
            return kept;
        }
        came_back();
    } while (kept < records.size());
    return kept;
}

/// Up to one that is too large.
std::span<const Record> RecordKeeper::next_batch(std::span<const Record> records) const
{
    const auto batch = batch_of(records, size_.rows(), size_.bytes());
    for (std::size_t i = 1; i < batch.size(); ++i)
        if (size_.too_large(bytes_of(batch.subspan(i, 1))))
            return batch.first(i);
    return batch;
}

Inserted RecordKeeper::into_database(std::span<const Record> records, Milliseconds bound)
{
    auto inserted = insert_all(records, [&](auto part) { database_->insert(part, bound); });
    std::size_t begin = 0;
    for (const auto& transaction : inserted.transactions) {
        written(transaction,
                bytes_of(records.subspan(begin, std::min(transaction.records, records.size() - begin))));
        begin += transaction.records;
    }
    if (inserted.records > inserted.refused.size())
        drain_.others_succeeded();
    set_aside(records, inserted.refused);
    if (const auto rest = records.subspan(inserted.records); !inserted.failure.empty())
        size_.failed(rest.size(), bytes_of(rest));
    return inserted;
}

void RecordKeeper::written(const Inserted::Transaction& transaction, std::size_t bytes)
{
    size_.took(transaction.records, bytes, transaction.took);
    if (transaction.records == 0)
        return;
    if (hooks_.on_written)
        hooks_.on_written(transaction.records, transaction.took);
}

OutboxDrain::Hooks RecordKeeper::drain_hooks()
{
    return {
        [this](const Inserted::Transaction& transaction, std::size_t bytes) { written(transaction, bytes); },
        [this](const Record& record, const std::string& reason) { set_aside(record, reason); }};
}

void RecordKeeper::set_aside(std::span<const Record> records, const std::vector<Refusal>& refused)
{
    for (const auto& refusal : refused)
        set_aside(records[refusal.index], refusal.reason);
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
    if (outbox_fails_ && now >= outbox_retry_at_)
        probe_outbox(now, look_again);
    const auto drain_at = drain(now);
    if (now >= recount_at_)
        recount_outbox(now);

    auto next = std::min(recount_at_, drain_at);
    if (!database_ && !connecting_)
        next = std::min(next, retry_at_);
    if (outbox_fails_)
        next = std::min(next, outbox_retry_at_);
    return next;
}

std::string RecordKeeper::degraded() const
{
    std::vector<std::string> parts;
    if (away_ && outbox_fails_)
        parts.emplace_back("neither the database nor the outbox takes records");
    else if (away_)
        parts.push_back("the database does not take records" + waiting(outbox_.size()));
    else if (outbox_fails_)
        parts.emplace_back("the outbox fails");
    if (auto damage = outbox_.damage(); !damage.empty())
        parts.push_back(std::move(damage));
    if (rejected_.failing())
        parts.emplace_back("rejected-records.jsonl cannot be written");
    return fmt::format("{}", fmt::join(parts, "; "));
}

void RecordKeeper::look_after_connection(TimePoint now)
{
    if (connecting_ && connecting_->done()) {
        try {
            database_ = connecting_->result();
            // It is back when it has taken something: a locked database can be opened, too.
            on_trial_ = away_;
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

void RecordKeeper::probe_outbox(TimePoint now, std::chrono::milliseconds longest_look)
{
    try {
        outbox_.check(longest_look);
        if (outbox_fails_.exchange(false))
            spdlog::info("the outbox can take records again");
    } catch (const StorageError& error) {
        outbox_failed(error.what(), now);
    }
}

/// What is on its way comes to its end; more follows while the database is there.
RecordKeeper::TimePoint RecordKeeper::drain(TimePoint now)
{
    if (outbox_fails_ && now < outbox_retry_at_)
        return outbox_retry_at_;
    try {
        return drain_.tend(now, database_ && !away_);
    } catch (const std::exception& error) {
        outbox_failed(error.what(), now);
        return outbox_retry_at_;
    }
}

void RecordKeeper::recount_outbox(TimePoint now)
{
    recount_at_ = now + timing_.recount;
    try {
        if (!outbox_fails_)
            outbox_.recount();
        if (!outbox_path_.empty())
            rejected_.check();
    } catch (const std::exception& error) {
        outbox_failed(error.what(), now);
    }
}

}  // namespace route::storage
