#include "notify/announcer.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "core/client_key.hpp"
#include "core/text.hpp"

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
    const auto begun = begin(key_of(kind_of(failure)), in_ms(windows_.length()));
    if (begun && !begun->mine)
        windows_.join(failure, now + begun->left);
    else
        send_(tell_failure(failure));
}

/// The answer of the others, or nothing while there are none. What the question throws is no answer.
template <class Question>
auto Announcer::ask(Question question) -> decltype(question())
{
    if (!agreement_ || late_())
        return {};
    try {
        return question();
    } catch (const std::exception& error) {
        spdlog::warn("messages: other routers do not answer: {}", escape_for_log(error.what()));
        return {};
    }
}

/// Nothing when this router acts for itself; so it does, too, where windows end at once.
std::optional<Agreement::Begun> Announcer::begin(const std::string& key, milliseconds window)
{
    if (window <= milliseconds{0})
        return std::nullopt;
    return ask([&] { return agreement_->begin(key, window); });
}

bool Announcer::add(const std::vector<FailureWindows::Ended>& ended)
{
    if (ended.empty() || windows_.length() <= TimePoint::duration{0})
        return false;
    std::vector<Agreement::Counted> counted;
    counted.reserve(ended.size());
    for (const auto& each : ended)
        counted.push_back({key_of(each.kind), each.group ? each.group->count : 0});
    return ask([&] { return agreement_->add(counted); });
}

void Announcer::recovered(const CooldownEnd& end)
{
    if (end.length < worth_telling)
        return;
    // Routers notice at different times, each with its own next request: what another told since this
    // cooldown began was its end, too.
    const auto model = escape_for_log(end.model);
    const auto key = "recovered " + end.upstream + (model.empty() ? "" : " " + model);
    const auto question = [&] { return agreement_->first_to_say(key, end.ago - delay); };
    if (ask(question).value_or(true))
        send_(tell_recovery(escape_for_log(end.upstream), end.length, model));
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
    give(windows_.take_ended(now), now, told);
    std::vector<Pending> taken;
    std::vector<Pending> later;
    for (auto& each : pending_)
        (each.when > now ? later : taken).push_back(std::move(each));
    pending_ = std::move(later);
    take(taken, false, now, told);
    tell(std::move(told), windows_.take_others(now));
}

/// To the others, to be taken back as the sum of all; what they do not take is told.
void Announcer::give(std::vector<FailureWindows::Ended> ended, TimePoint now, std::vector<FailureGroup>& told)
{
    const bool given = add(ended);
    for (auto& each : ended) {
        if (given) {
            auto sample = each.group.value_or(FailureGroup{each.first, 0, each.first.time});
            pending_.push_back({std::move(each.kind), std::move(sample), now + grace});
        } else {
            end_alone(std::move(each), now, told);
        }
    }
}

void Announcer::end_alone(FailureWindows::Ended ended, TimePoint now, std::vector<FailureGroup>& told)
{
    if (ended.group && windows_.length() > TimePoint::duration{0})
        windows_.renew(ended.kind, now + windows_.length());
    else
        windows_.close(ended.kind, now);
    if (ended.group)
        told.push_back(*std::move(ended.group));
}

void Announcer::take(const std::vector<Pending>& pending, bool early, TimePoint now,
                     std::vector<FailureGroup>& told)
{
    if (pending.empty())
        return;
    std::vector<std::string> keys;
    keys.reserve(pending.size());
    for (const auto& each : pending)
        keys.push_back(key_of(each.kind));
    const auto taken = ask([&] { return agreement_->take(keys, in_ms(windows_.length()), early); });
    for (std::size_t i = 0; i < pending.size(); ++i) {
        const auto& each = pending[i];
        // Without an answer it is better told twice than never.
        const auto [count, left] =
            taken ? taken->at(i) : Agreement::Taken{each.sample.count, milliseconds{0}};
        if (left <= milliseconds{0})
            windows_.close(each.kind, now);
        else
            windows_.renew(each.kind, now + left);
        if (count > 0)
            told.emplace_back(each.sample).count = count;
    }
}

void Announcer::tell(std::vector<FailureGroup> groups, std::uint64_t others)
{
    if (groups.empty() && others == 0)
        return;
    send_(tell_failures(std::move(groups), others,
                        std::max(std::chrono::duration_cast<std::chrono::seconds>(windows_.length()),
                                 std::chrono::seconds{1})));
}

void Announcer::finish(TimePoint now)
{
    std::vector<FailureGroup> told;
    auto ended = windows_.take_ended(TimePoint::max());
    std::erase_if(ended, [](const auto& each) { return !each.group; });
    give(std::move(ended), now, told);
    take(std::exchange(pending_, {}), true, now, told);
    tell(std::move(told), windows_.take_others(TimePoint::max()));
}

}  // namespace route::notify
