#include "storage/record_keeper.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <utility>
#include <vector>

#include "core/counted.hpp"
#include "core/text.hpp"

namespace route::storage {

namespace {

/// Of one outage, that are told.
constexpr std::size_t most_reasons = 10;

/// Less is not worth trying a database for.
constexpr std::chrono::milliseconds least_bound{50};

/// So often the outbox fails to be emptied before it is told of: one batch may be too much, or meet a lock.
constexpr int few_failures = 3;

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

RecordKeeper::RecordKeeper(Connectors connectors, const std::string& outbox_path, const WriterTiming& timing,
                           WriterHooks hooks, std::function<void()> wake)
    : connector_{std::move(connectors.records)},
      timing_{timing},
      hooks_{std::move(hooks)},
      wake_{std::move(wake)},
      outbox_path_{outbox_path},
      outbox_{outbox_path},
      rejected_{rejected_path(outbox_path)},
      backoff_{timing.first_retry},
      recount_at_{std::chrono::steady_clock::now() + timing.recount},
      drain_{connectors.drain ? std::move(connectors.drain) : connector_,
             outbox_,
             {timing.bound, timing.first_retry, timing.longest_retry},
             drain_hooks(),
             wake_}
{
    if (!outbox_path.empty()) {
        probe_outbox(std::chrono::steady_clock::now(), look_at_start);
        rejected_.check();
    }
    if (outbox_.size() > 0)
        spdlog::info("in the outbox from an earlier run: {}", counted(outbox_.size(), "record"));
    connecting_.emplace(connector_, wake_);
}

std::size_t RecordKeeper::keep(std::span<const Record> records, TimePoint now, Milliseconds patience)
{
    std::size_t kept = 0;
    if (database_ && (!away_ || half_open_))
        kept = keep_in_database(records, now, patience);
    if (half_open_)  // not even tried: all were too large, and are in the outbox
        begin_trial(now);
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
/// back. One that waits in the outbox does, whatever its size, on its way out. The next time it is the next
/// one's turn: one that fails alone shows nothing.
void RecordKeeper::begin_trial(TimePoint now)
{
    half_open_ = true;
    if (outbox_fails_)
        return;
    try {
        proving_ = drain_.try_one(now);
        half_open_ = !proving_;
    } catch (const std::exception& error) {
        outbox_failed(error.what(), now);
    }
}

void RecordKeeper::draining_failed(const std::string& reason, bool tried, TimePoint now)
{
    if (proving_ && tried)
        went_away(reason, now);
    if (away_ || ++drain_failures_ != few_failures)
        return;
    draining_fails_ = true;
    spdlog::warn("the database takes records, but none from the outbox, where {} wait: {}", outbox_.size(),
                 escape_for_log(reason));
}

void RecordKeeper::draining_succeeded()
{
    if (proving_)
        came_back();
    drain_failures_ = 0;
    if (draining_fails_.exchange(false))
        spdlog::info("the database takes records from the outbox again");
}

std::size_t RecordKeeper::keep_in_outbox(std::span<const Record> records, TimePoint now)
{
    std::size_t kept = 0;
    while (kept < records.size() && (!outbox_fails_ || now >= outbox_retry_at_)) {
        const auto batch = batch_of(records.subspan(kept), batch_rows, batch_bytes);
        const auto inserted = insert_all(batch, [&](auto part) { outbox_.insert(part); });
        take_refused(batch, inserted.refused, false);
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
        const auto alone = rest.first(std::min<std::size_t>(1, rest.size()));
        const bool large = size_.too_large(bytes_of(alone));
        if (large && keep_in_outbox(alone, now) == 1) {
            ++kept;
            continue;
        }
        const auto spent = std::chrono::duration_cast<Milliseconds>(std::chrono::steady_clock::now() - start);
        const auto bound = std::min(timing_.bound, patience - spent);
        if (kept > 0 && bound < least_bound)
            return kept;
        // What no outbox takes has the time here that its bytes need.
        const auto inserted =
            into_database(large ? alone : next_batch(rest),
                          large ? time_for(bytes_of(alone), timing_.bound) : std::max(bound, least_bound));
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
    take_refused(records, inserted.refused, true);
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
    return {[this](const Inserted::Transaction& transaction, std::size_t bytes) {
                draining_succeeded();
                written(transaction, bytes);
            },
            [this](const Record& record, const std::string& reason) { return set_aside(record, reason); },
            [this](const std::string& reason, bool tried, TimePoint now) {
                draining_failed(reason, tried, now);
            }};
}

void RecordKeeper::take_refused(std::span<const Record> records, const std::vector<Refusal>& refused,
                                bool outbox_may_take_them)
{
    for (const auto& refusal : refused) {
        const auto& record = records[refusal.index];
        if (set_aside(record, refusal.reason) || (outbox_may_take_them && waits_in_outbox(record)))
            continue;
        spdlog::error("record {} is refused by the database and lost: {}", escape_for_log(record.request_id),
                      escape_for_log(refusal.reason));
        if (hooks_.on_dropped)
            hooks_.on_dropped(1);
    }
}

/// False when the file cannot be written, which is logged.
bool RecordKeeper::set_aside(const Record& record, const std::string& reason)
{
    if (!rejected_.add(record, reason))
        return false;
    spdlog::error("record {} is refused by the database and set aside in rejected-records.jsonl: {}",
                  escape_for_log(record.request_id), escape_for_log(reason));
    if (hooks_.on_rejected)
        hooks_.on_rejected();
    return true;
}

/// What cannot be set aside yet.
bool RecordKeeper::waits_in_outbox(const Record& record)
{
    try {
        outbox_.insert({&record, 1});
        return true;
    } catch (const std::exception& error) {
        spdlog::error("record {} cannot wait in the outbox: {}", escape_for_log(record.request_id),
                      escape_for_log(error.what()));
        return false;
    }
}

RecordKeeper::TimePoint RecordKeeper::tend(TimePoint now)
{
    look_after_connection(now);
    if (outbox_fails_ && now >= outbox_retry_at_)
        probe_outbox(now, look_again);
    const auto drain_at = drain(now);
    // It came to nothing that shows anything: the database has to take something itself.
    if (proving_ && !drain_.busy())
        half_open_ = std::exchange(proving_, false);
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
    else if (draining_fails_ && outbox_.size() > 0)
        parts.push_back("the outbox cannot be emptied" + waiting(outbox_.size()));
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
            if (away_)
                begin_trial(now);
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
    half_open_ = proving_ = false;
    reasons_.clear();
    if (away_.exchange(false))
        spdlog::info("the database takes records again; {} waited in the outbox", outbox_.size());
    backoff_ = timing_.first_retry;
}

void RecordKeeper::went_away(const std::string& reason, TimePoint now)
{
    database_.reset();
    half_open_ = proving_ = false;
    drain_failures_ = 0;
    draining_fails_ = false;
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
        if (proving_)
            drain_.tend(now, false);  // what comes of it decides
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
