#include "core/net/transport/name_directory.hpp"

#include <chrono>
#include <exception>
#include <map>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace route::net {

namespace {

struct Waiter
{
    const NameDirectory::Asker* asker;
    NameDirectory::Deliver deliver;
};

struct Name
{
    std::optional<NameDirectory::Answer> answer;
    TimePoint found_at;   ///< when the addresses in `answer` were found
    unsigned number = 0;  ///< of the latest look-up: the answers of earlier ones are not waited for
    bool asked = false;   ///< the latest look-up is under way
    TimePoint asked_at;
    std::vector<Waiter> waiters;
};

}  // namespace

struct NameDirectory::State
{
    /// What may still serve although it is due to be looked up again, or null.
    Answer* usable(Name& name, TimePoint now) const
    {
        const bool serves =
            name.answer && !name.answer->error && now < name.found_at + limits.lifetime + limits.stale;
        return serves ? &*name.answer : nullptr;
    }

    /// What is known from now on. Trouble of the servers of names takes no known address away.
    const Answer& learn(Name& name, FoundAddresses found)
    {
        const auto now = Clock::now();
        if (!found.error) {
            name.found_at = now;
            return name.answer.emplace(Answer{{}, std::move(found.addresses), now + limits.lifetime});
        }
        auto* known = is_temporary(found.error) ? usable(name, now) : nullptr;
        if (known == nullptr)
            return name.answer.emplace(Answer{found.error, {}, now + limits.failure_lifetime});
        known->good_until = now + limits.failure_lifetime;
        return *known;
    }

    const LookUp look_up;
    const NameLimits limits;
    std::mutex mutex;
    std::map<std::string, Name> names;
    std::size_t threads = 0;
    bool closed = false;
};

NameDirectory::NameDirectory(LookUp look_up, NameLimits limits)
    : state_{new State{std::move(look_up), limits, {}, {}, 0, false}}
{
}

NameDirectory::~NameDirectory()
{
    const std::lock_guard lock{state_->mutex};
    state_->closed = true;
    state_->names.clear();
}

const NameLimits& NameDirectory::limits() const
{
    return state_->limits;
}

std::optional<NameDirectory::Answer> NameDirectory::ask(const std::string& host, const Asker& asker,
                                                        Deliver deliver)
{
    const std::lock_guard lock{state_->mutex};
    auto& name = state_->names[host];
    const auto now = Clock::now();
    if (name.answer && now < name.answer->good_until)
        return name.answer;
    if (!name.asked || now >= name.asked_at + state_->limits.patience) {
        if (state_->threads >= state_->limits.lookups)
            return state_->learn(name, {make_error_code(NameError::too_many_lookups), {}});
        try {
            std::thread{&NameDirectory::run, state_, host, name.number + 1}.detach();
        } catch (const std::system_error& error) {
            return state_->learn(name, {error_code{error.code()}, {}});
        }
        ++state_->threads;
        ++name.number;
        name.asked = true;
        name.asked_at = now;
    }
    if (const auto* known = state_->usable(name, now)) {
        auto stale = *known;
        stale.good_until = now + state_->limits.failure_lifetime;
        return stale;
    }
    name.waiters.push_back({&asker, std::move(deliver)});
    return std::nullopt;
}

void NameDirectory::run(const std::shared_ptr<State>& state, const std::string& host, unsigned number)
{
    FoundAddresses found;
    try {
        found = state->look_up(host);
    } catch (const std::exception&) {
        found.error = make_error_code(boost::system::errc::not_enough_memory);
    }
    std::unique_lock lock{state->mutex};
    --state->threads;
    const auto asked = state->names.find(host);
    if (state->closed || asked == state->names.end() || number != asked->second.number)
        return;
    auto& name = asked->second;
    name.asked = false;
    state->learn(name, std::move(found));
    // Who waits is told, however short memory is, and nobody waits for the lock meanwhile.
    while (!state->closed && !name.waiters.empty()) {
        try {
            name.waiters.front().deliver(*name.answer);
            name.waiters.erase(name.waiters.begin());
        } catch (const std::bad_alloc&) {
            lock.unlock();
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
            lock.lock();
        }
    }
}

void NameDirectory::forget(const Asker& asker)
{
    const std::lock_guard lock{state_->mutex};
    for (auto& [host, name] : state_->names)
        std::erase_if(name.waiters, [&](const Waiter& waiter) { return waiter.asker == &asker; });
}

}  // namespace route::net
