#include "notify/failure_windows.hpp"

#include <algorithm>
#include <utility>

namespace route::notify {

namespace {

/// Long words with a digit are ids, which upstreams make up for each request.
bool is_id(std::string_view word)
{
    constexpr std::size_t shortest = 12;
    return word.size() >= shortest && word.find_first_of("0123456789") != word.npos;
}

std::string without_ids(std::string_view reason)
{
    std::string kept;
    while (!reason.empty()) {
        const auto end = std::min(reason.find_first_of(" \t,;:()[]{}'\"`="), reason.size());
        const auto word = reason.substr(0, end);
        kept += is_id(word) ? std::string_view{"…"} : word;
        if (end < reason.size())
            kept += reason[end];
        reason.remove_prefix(std::min(end + 1, reason.size()));
    }
    return kept;
}

}  // namespace

FailureKind kind_of(const Failure& failure)
{
    return {failure.subject, failure.status, without_ids(failure.reason)};
}

void FailureWindows::add(Window& window, const Failure& failure)
{
    if (!window.group)
        window.group = FailureGroup{failure, 0, {}};
    ++window.group->count;
    window.group->last = std::max(window.group->last, failure.time);
}

FailureWindows::Verdict FailureWindows::count(const Failure& failure, TimePoint now)
{
    auto kind = kind_of(failure);
    if (const auto found = windows_.find(kind); found != windows_.end()) {
        add(found->second, failure);
        return Verdict::counted;
    }
    if (windows_.size() >= most_kinds) {
        count_others(1, now);
        return Verdict::counted;
    }
    auto& window = windows_.emplace(std::move(kind), Window{now + length_, failure}).first->second;
    if (now >= at_once_end_) {
        at_once_end_ = now + std::max<Clock::duration>(length_, std::chrono::seconds{1});
        at_once_ = 0;
    }
    if (at_once_++ < most_at_once)
        return Verdict::open;
    window.end = at_once_end_;  // all of these together: a message each would be a flood, too
    add(window, failure);
    return Verdict::counted;
}

void FailureWindows::count_others(std::uint64_t count, TimePoint now)
{
    if (count == 0)
        return;
    if (others_ == 0)
        others_end_ = now + std::max<Clock::duration>(length_, std::chrono::seconds{1});
    others_ += count;
}

void FailureWindows::join(const Failure& failure, TimePoint end)
{
    if (const auto found = windows_.find(kind_of(failure)); found != windows_.end()) {
        found->second.end = end;
        add(found->second, failure);
    }
}

FailureWindows::TimePoint FailureWindows::next_end() const
{
    auto first = others_end_;
    for (const auto& [kind, window] : windows_)
        first = std::min(first, window.end);
    return first;
}

std::vector<FailureWindows::Ended> FailureWindows::take_ended(TimePoint now)
{
    std::vector<Ended> ended;
    for (auto& [kind, window] : windows_) {
        if (window.end > now)
            continue;
        window.end = TimePoint::max();
        ended.push_back({kind, window.first, std::exchange(window.group, std::nullopt)});
    }
    return ended;
}

void FailureWindows::renew(const FailureKind& kind, TimePoint end)
{
    if (const auto found = windows_.find(kind); found != windows_.end())
        found->second.end = end;
}

void FailureWindows::close(const FailureKind& kind, TimePoint now)
{
    const auto found = windows_.find(kind);
    if (found == windows_.end())
        return;
    if (found->second.group)
        found->second.end = now + length_;
    else
        windows_.erase(found);
}

std::uint64_t FailureWindows::take_others(TimePoint now)
{
    if (others_end_ > now)
        return 0;
    others_end_ = TimePoint::max();
    return std::exchange(others_, 0);
}

}  // namespace route::notify
