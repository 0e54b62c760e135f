#include "storage/outbox_drain.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "core/text.hpp"

namespace route::storage {

namespace {

/// A connection over which less gets through is as good as none.
constexpr std::size_t lowest_rate = 64u << 10;  // bytes a second

/// A record that is tried needs nobody's patience but the drain's; what is behind it does.
constexpr TransactionSize::Limits limits{1000, 1u << 20, 1, 64u << 10, std::chrono::seconds{2}};

}  // namespace

OutboxDrain::OutboxDrain(Connector connector, Outbox& outbox, const Timing& timing, Hooks hooks,
                         std::function<void()> wake)
    : connector_{std::move(connector)},
      outbox_{outbox},
      timing_{timing},
      hooks_{std::move(hooks)},
      wake_{std::move(wake)},
      size_{limits},
      backoff_{timing.first_retry}
{
}

OutboxDrain::TimePoint OutboxDrain::tend(TimePoint now, bool begin)
{
    if (draining_ && draining_->done())
        take_in(now);
    if (begin && !draining_ && outbox_.size() > 0 && now >= retry_at_)
        begin_next(now);
    if (draining_ || outbox_.size() == 0)
        return TimePoint::max();
    return begin ? retry_at_ : TimePoint::max();
}

void OutboxDrain::take_in(TimePoint now)
{
    const auto draining = std::move(draining_);
    auto result = draining->result();
    database_ = std::move(result.database);
    if (!result.inserted.failure.empty())
        failed(result, now);
    settle(result, now);
    if (outbox_.size() == 0) {
        database_.reset();
        behind_.clear();
    }
}

/// What is elsewhere now leaves the outbox.
void OutboxDrain::settle(const Draining::Result& result, TimePoint now)
{
    const auto& inserted = result.inserted;
    const auto all = std::span{result.records};
    std::size_t begin = 0;
    for (const auto& transaction : inserted.transactions) {
        const auto bytes = bytes_of(all.subspan(begin, std::min(transaction.records, all.size() - begin)));
        size_.took(transaction.records, bytes, transaction.took);
        hooks_.on_written(transaction, bytes);
        begin += transaction.records;
    }
    for (const auto& refusal : inserted.refused)
        hooks_.on_refused(result.records[refusal.index], refusal.reason);
    if (inserted.records == 0)
        return;
    for (const auto& record : all.first(inserted.records))
        suspects_.forget(record.request_id);
    if (!inserted.transactions.empty()) {
        suspects_.another_succeeded();
        backoff_ = timing_.first_retry;
    }
    if (inserted.failure.empty())
        retry_at_ = now;
    behind_ = result.records[inserted.records - 1].request_id;
    outbox_.erase(all.first(inserted.records));
}

void OutboxDrain::failed(const Draining::Result& result, TimePoint now)
{
    const auto rest = std::span{result.records}.subspan(result.inserted.records);
    if (rest.size() == 1 && result.records.size() == 1) {
        suspects_.failed_alone(rest.front().request_id, result.inserted.failure);
        behind_ = rest.front().request_id;
    } else {
        size_.failed(rest.size(), bytes_of(rest));
    }
    spdlog::debug("{} records stay in the outbox: {}", rest.size(), escape_for_log(result.inserted.failure));
    retry_at_ = now + backoff_;
    backoff_ = std::min(backoff_ * 2, timing_.longest_retry);
}

void OutboxDrain::begin_next(TimePoint now)
{
    auto records = next_batch(now);
    if (records.empty())
        return;
    draining_ = std::make_unique<Draining>(
        connector_, std::move(database_), std::move(records),
        [this](std::size_t bytes) { return bound(bytes); }, wake_);
}

/// Empty at the end of a round, too: the next begins with what was passed over.
std::vector<Record> OutboxDrain::next_batch(TimePoint now)
{
    auto records = outbox_.oldest(size_.rows(), size_.bytes(), behind_);
    give_up_known(records);
    if (records.empty()) {
        if (!behind_.empty())
            retry_at_ = std::max(retry_at_, now + backoff_);
        behind_.clear();
        return records;
    }
    // One under suspicion goes alone.
    const auto suspect = std::find_if(records.begin(), records.end(), [&](const auto& record) {
        return suspects_.contains(record.request_id);
    });
    if (suspect != records.end())
        records.erase(std::max(suspect, records.begin() + 1), records.end());
    return records;
}

void OutboxDrain::give_up_known(std::vector<Record>& records)
{
    std::vector<Record> others;
    std::vector<Record> given_up;
    for (auto& record : records)
        (suspects_.given_up(record.request_id) == nullptr ? others : given_up).push_back(std::move(record));
    records = std::move(others);
    for (const auto& record : given_up) {
        hooks_.on_refused(record, *suspects_.given_up(record.request_id));
        suspects_.forget(record.request_id);
    }
    if (!given_up.empty())
        outbox_.erase(given_up);
}

std::chrono::milliseconds OutboxDrain::bound(std::size_t bytes) const
{
    return timing_.least_bound + std::chrono::milliseconds{bytes * 1000 / lowest_rate};
}

}  // namespace route::storage
