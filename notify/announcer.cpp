#include "notify/announcer.hpp"

#include <algorithm>
#include <utility>

#include "core/client_key.hpp"

namespace route::notify {

namespace {

using std::chrono::milliseconds;

/// The same on every router, of bounded length.
std::string key_of(const FailureKind& kind)
{
    return to_hex(hash_key(kind.subject + '\n' + std::to_string(kind.status) + '\n' + kind.reason));
}

milliseconds in_ms(Announcer::Clock::duration time)
{
    return std::chrono::duration_cast<milliseconds>(time);
}

}  // namespace

Announcer::Announcer(std::chrono::seconds window, std::function<void(Message)> send,
                     std::unique_ptr<Agreement> agreement)
    : windows_{window}, send_{std::move(send)}, agreement_{std::move(agreement)}
{
}

void Announcer::set_window(std::chrono::seconds window)
{
    windows_.set_length(window);
}

void Announcer::failed(const Failure& failure, TimePoint now)
{
    if (windows_.count(failure, now) == FailureWindows::Verdict::counted)
        return;
    if (agreement_) {
        const auto begun = agreement_->begin(key_of(kind_of(failure)), in_ms(windows_.length()));
        if (begun && !begun->mine) {
            windows_.join(failure, now + begun->left);
            return;
        }
    }
    send_(tell_failure(failure));
}

void Announcer::recovered(const std::string& upstream, std::chrono::seconds away)
{
    if (away < worth_telling)
        return;
    // Routers notice at different times, each with its own next request.
    const auto window = std::max<milliseconds>(in_ms(windows_.length()), worth_telling);
    if (agreement_) {
        const auto begun = agreement_->begin("recovered " + upstream, window);
        if (begun && !begun->mine)
            return;
    }
    send_(tell_recovery(upstream, away));
}

Announcer::TimePoint Announcer::next() const
{
    auto first = windows_.next_end();
    for (const auto& each : pending_)
        first = std::min(first, each.when);
    return first;
}

void Announcer::tick(TimePoint now)
{
    std::vector<FailureGroup> told;
    for (auto& ended : windows_.take_ended(now)) {
        if (!agreement_ || !agreement_->add(key_of(ended.kind), ended.group ? ended.group->count : 0)) {
            end_alone(std::move(ended), now, told);
        } else {
            auto sample = ended.group.value_or(FailureGroup{ended.first, 0, ended.first.time});
            pending_.push_back({std::move(ended.kind), std::move(sample), now + grace});
        }
    }
    std::vector<Pending> taken;
    std::vector<Pending> later;
    for (auto& each : pending_)
        (each.when > now ? later : taken).push_back(std::move(each));
    pending_ = std::move(later);
    for (const auto& each : taken)
        take(each, false, now, told);
    tell(std::move(told), windows_.take_others(now));
}

void Announcer::end_alone(FailureWindows::Ended ended, TimePoint now, std::vector<FailureGroup>& told)
{
    if (!ended.group) {
        windows_.close(ended.kind, now);
        return;
    }
    windows_.renew(ended.kind, now + windows_.length());
    told.push_back(*std::move(ended.group));
}

void Announcer::take(const Pending& pending, bool early, TimePoint now, std::vector<FailureGroup>& told)
{
    const auto taken = agreement_->take(key_of(pending.kind), in_ms(windows_.length()), early);
    // Without an answer what was added stays there, for whoever asks next.
    if (!taken || taken->left <= milliseconds{0})
        windows_.close(pending.kind, now);
    else
        windows_.renew(pending.kind, now + taken->left);
    if (!taken || taken->count == 0)
        return;
    auto group = pending.sample;
    group.count = taken->count;
    told.push_back(std::move(group));
}

void Announcer::tell(std::vector<FailureGroup> groups, std::uint64_t others)
{
    others += std::exchange(lost_, 0);
    if (groups.empty() && others == 0)
        return;
    send_(tell_failures(std::move(groups), others,
                        std::chrono::duration_cast<std::chrono::seconds>(windows_.length())));
}

void Announcer::finish(TimePoint now)
{
    std::vector<FailureGroup> told;
    for (const auto& each : std::exchange(pending_, {}))
        take(each, true, now, told);
    for (auto& ended : windows_.take_ended(TimePoint::max())) {
        if (!ended.group)
            continue;
        if (agreement_ && agreement_->add(key_of(ended.kind), ended.group->count))
            take({std::move(ended.kind), *std::move(ended.group), now}, true, now, told);
        else
            told.push_back(*std::move(ended.group));
    }
    tell(std::move(told), windows_.take_others(TimePoint::max()));
}

}  // namespace route::notify
