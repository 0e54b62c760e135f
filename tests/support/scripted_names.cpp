#include "tests/support/scripted_names.hpp"

#include <netdb.h>

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace route::test {

namespace {

constexpr std::chrono::seconds bound{10};

}  // namespace

struct ScriptedNames::State
{
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::string, net::FoundAddresses> answers;
    std::map<std::pair<std::string, std::size_t>, net::FoundAddresses> single_answers;
    std::map<std::string, std::size_t> asked;
    std::size_t inside = 0;
    bool ended = false;

    std::optional<net::FoundAddresses> answer_for(const std::string& host, std::size_t nth) const
    {
        if (const auto one = single_answers.find({host, nth}); one != single_answers.end())
            return one->second;
        if (const auto all = answers.find(host); all != answers.end())
            return all->second;
        if (ended)
            return not_found();
        return std::nullopt;
    }

    net::FoundAddresses look_up(const std::string& host)
    {
        std::unique_lock lock{mutex};
        const auto nth = asked[host]++;
        ++inside;
        changed.notify_all();
        std::optional<net::FoundAddresses> answer;
        changed.wait(lock, [&] { return (answer = answer_for(host, nth)).has_value(); });
        --inside;
        changed.notify_all();
        return *std::move(answer);
    }
};

ScriptedNames::ScriptedNames() : state_{std::make_shared<State>()}
{
}

ScriptedNames::~ScriptedNames()
{
    {
        const std::lock_guard lock{state_->mutex};
        state_->ended = true;
    }
    state_->changed.notify_all();
    wait_until_over();
}

net::LookUp ScriptedNames::look_up() const
{
    return [state = state_](const std::string& host) { return state->look_up(host); };
}

void ScriptedNames::answer(const std::string& host, net::FoundAddresses found)
{
    {
        const std::lock_guard lock{state_->mutex};
        state_->answers[host] = std::move(found);
    }
    state_->changed.notify_all();
}

void ScriptedNames::answer(const std::string& host, const std::string& address)
{
    answer(host, found(address));
}

void ScriptedNames::answer_one(const std::string& host, std::size_t nth, net::FoundAddresses found)
{
    {
        const std::lock_guard lock{state_->mutex};
        state_->single_answers[{host, nth}] = std::move(found);
    }
    state_->changed.notify_all();
}

void ScriptedNames::hold(const std::string& host)
{
    const std::lock_guard lock{state_->mutex};
    state_->answers.erase(host);
}

std::size_t ScriptedNames::asked(const std::string& host) const
{
    const std::lock_guard lock{state_->mutex};
    return state_->asked[host];
}

bool ScriptedNames::wait_until_asked(const std::string& host, std::size_t times) const
{
    std::unique_lock lock{state_->mutex};
    return state_->changed.wait_for(lock, bound, [&] { return state_->asked[host] >= times; });
}

bool ScriptedNames::wait_until_over() const
{
    std::unique_lock lock{state_->mutex};
    return state_->changed.wait_for(lock, bound, [&] { return state_->inside == 0; });
}

net::FoundAddresses found(const std::string& address)
{
    return {{}, {boost::asio::ip::make_address(address)}};
}

net::FoundAddresses not_found()
{
    return {{EAI_NONAME, net::name_category()}, {}};
}

net::FoundAddresses names_in_trouble()
{
    return {{EAI_AGAIN, net::name_category()}, {}};
}

}  // namespace route::test
