#include "storage/outbox_drain.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "core/counted.hpp"
#include "core/text.hpp"

namespace route::storage {

namespace {

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
        this->begin(next_batch(now), now);
    if (draining_ || outbox_.size() == 0)
        return TimePoint::max();
    return begin ? retry_at_ : TimePoint::max();
}

bool OutboxDrain::try_one(TimePoint now)
{
    if (draining_)
        return true;
    auto next = outbox_.oldest(1, 1, behind_);
    if (next.empty() && !std::exchange(behind_, {}).empty())
        next = outbox_.oldest(1, 1);
    begin(std::move(next), now);
    half_open_ = draining_ != nullptr;
    return half_open_;
}

void OutboxDrain::take_in(TimePoint now)
{
    const auto draining = std::move(draining_);
    auto result = draining->result();
    database_ = std::move(result.database);
    settle(result, now);
    if (!result.inserted.failure.empty())
        failed(result, now);
    half_open_ = false;
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
    // What was passed over in an outage is nothing special.
    behind_ = half_open_ ? std::string{} : result.records[inserted.records - 1].request_id;
    leave(all.first(inserted.records), inserted.refused);
}

/// Those refused that nobody could set aside stay.
void OutboxDrain::leave(std::span<const Record> records, const std::vector<Refusal>& refused)
{
    std::size_t begin = 0;
    const auto erase_until = [&](std::size_t end) {
        if (begin < end)
            outbox_.erase(records.subspan(begin, end - begin));
        begin = end + 1;
    };
    for (const auto& refusal : refused)
        if (!hooks_.on_refused(records[refusal.index], refusal.reason))
            erase_until(refusal.index);
    erase_until(records.size());
}

void OutboxDrain::failed(const Draining::Result& result, TimePoint now)
{
    const auto rest = std::span{result.records}.subspan(result.inserted.records);
    if (result.tried && rest.size() == 1 && result.records.size() == 1) {
        suspects_.failed_alone(rest.front().request_id, result.inserted.failure);
        behind_ = rest.front().request_id;
    } else if (result.tried) {
        size_.failed(rest.size(), bytes_of(rest));
    }
    spdlog::debug("{} stay in the outbox: {}", counted(rest.size(), "record"),
                  escape_for_log(result.inserted.failure));
    back_off(now);
    hooks_.on_failed(result.inserted.failure, result.tried, now);
}

void OutboxDrain::back_off(TimePoint now)
{
    retry_at_ = std::max(retry_at_, now + backoff_);
    backoff_ = std::min(backoff_ * 2, timing_.longest_retry);
}

void OutboxDrain::begin(std::vector<Record> records, TimePoint now)
{
    if (records.empty())
        return;
    try {
        draining_ = std::make_unique<Draining>(
            connector_, std::move(database_), std::move(records),
            [least = timing_.least_bound](std::size_t bytes) { return time_for(bytes, least); }, wake_);
    } catch (const std::system_error& error) {  // no more threads: they stay where they are
        back_off(now);
        hooks_.on_failed(error.what(), false, now);
    }
}

/// Empty at the end of a round, too: the next begins with what was passed over.
std::vector<Record> OutboxDrain::next_batch(TimePoint now)
{
    auto records = outbox_.oldest(size_.rows(), size_.bytes(), behind_);
    if (records.empty()) {
        if (!behind_.empty())
            back_off(now);
        behind_.clear();
        return records;
    }
    const auto last = records.back().request_id;
    records = without_given_up(std::move(records));
    if (records.empty())
        behind_ = last;
    // One under suspicion goes alone.
    const auto suspect = std::find_if(records.begin(), records.end(), [&](const auto& record) {
        return suspects_.contains(record.request_id);
    });
    if (suspect != records.end())
        records.erase(std::max(suspect, records.begin() + 1), records.end());
    return records;
}

/// Those leave the outbox when they can be set aside, and are passed over when they can not.
std::vector<Record> OutboxDrain::without_given_up(std::vector<Record> records)
{
    std::vector<Record> others;
    std::vector<Record> elsewhere;
    for (auto& record : records) {
        const auto* reason = suspects_.given_up(record.request_id);
        if (reason == nullptr)
            others.push_back(std::move(record));
        else if (hooks_.on_refused(record, *reason))
            elsewhere.push_back(std::move(record));
    }
    for (const auto& record : elsewhere)
        suspects_.forget(record.request_id);
    if (!elsewhere.empty())
        outbox_.erase(elsewhere);
    return others;
}

}  // namespace route::storage
