#include "core/failover/candidates.hpp"

#include <algorithm>
#include <iterator>
#include <span>

#include "core/failover/affinity.hpp"

namespace route {

namespace {

using Iterator = std::vector<const Upstream*>::iterator;

std::uint64_t total_weight(Iterator first, Iterator last)
{
    std::uint64_t sum = 0;
    for (auto it = first; it != last; ++it)
        sum += static_cast<std::uint64_t>(std::max((*it)->weight, 0));
    return sum;
}

/// The place of the one drawn: each with a chance of its weight, all alike when no weight is left.
Iterator draw(Iterator first, Iterator last, std::uint64_t random)
{
    const auto total = total_weight(first, last);
    if (total == 0)
        return first + static_cast<std::ptrdiff_t>(random % static_cast<std::uint64_t>(last - first));
    auto point = random % total;
    for (auto it = first; it != last; ++it) {
        const auto weight = static_cast<std::uint64_t>(std::max((*it)->weight, 0));
        if (point < weight)
            return it;
        point -= weight;
    }
    return first;
}

void shuffle_by_weight(Iterator first, Iterator last, const std::function<std::uint64_t()>& random)
{
    for (; last - first > 1; ++first) {
        const auto chosen = draw(first, last, random());
        std::rotate(first, chosen, chosen + 1);
    }
}

/// Calls `order(first, last)` for each run of equal priority.
template <class Order>
void each_priority(std::vector<const Upstream*>& upstreams, Order&& order)
{
    for (auto first = upstreams.begin(); first != upstreams.end();) {
        const auto last = std::find_if(
            first, upstreams.end(), [first](const Upstream* u) { return u->priority != (*first)->priority; });
        order(first, last);
        first = last;
    }
}

std::string_view model_of(const ModelAndPath& wanted)
{
    return wanted.model ? std::string_view{*wanted.model} : std::string_view{};
}

void move_resting_to_end(std::vector<const Upstream*>& order, std::string_view model,
                         std::chrono::steady_clock::time_point now)
{
    std::vector<const Upstream*> resting;
    auto end = order.begin();
    for (const auto* upstream : order)
        // Asked once for each: other threads change the answer, and none may be lost or doubled by it.
        if (is_full(*upstream) || (upstream->cooldown && !upstream->cooldown->has_turn(model, now)))
            resting.push_back(upstream);
        else
            *end++ = upstream;
    std::copy(resting.begin(), resting.end(), end);
}

}  // namespace

bool is_full(const Upstream& upstream)
{
    return upstream.max_in_flight > 0 && upstream.in_flight &&
           upstream.in_flight->count() >= upstream.max_in_flight;
}

bool is_eligible(const Upstream& upstream, const ModelAndPath& wanted)
{
    if (!allows(upstream.allow, upstream.deny, wanted.model, wanted.path, wanted.model_cut))
        return false;
    if (upstream.endpoint.model_at == std::string::npos)
        return true;
    return wanted.model && !wanted.model_cut &&
           can_name(upstream.endpoint, sent_model(upstream, *wanted.model));
}

std::vector<const Upstream*> candidates(const Upstreams& upstreams, const ModelAndPath& wanted,
                                        const OrderRule& rule, std::chrono::steady_clock::time_point now,
                                        const std::function<std::uint64_t()>& random)
{
    std::vector<const Upstream*> result;
    result.reserve(upstreams.size());
    for (const auto& upstream : upstreams)
        if (is_eligible(*upstream, wanted))
            result.push_back(upstream.get());

    if (rule.order != UpstreamOrder::priority && !rule.session.empty())
        each_priority(result, [&](Iterator first, Iterator last) {
            order_by_session(std::span{first, last}, rule.session);
        });
    else if (rule.order == UpstreamOrder::random)
        each_priority(result, [&](Iterator first, Iterator last) { shuffle_by_weight(first, last, random); });

    move_resting_to_end(result, model_of(wanted), now);
    return result;
}

CooldownTurn take_turn(std::vector<const Upstream*>& order, std::size_t index, const ModelAndPath& wanted,
                       std::chrono::steady_clock::time_point now)
{
    const auto next = order.begin() + static_cast<std::ptrdiff_t>(index);
    for (auto left = order.end() - next; left > 0; --left) {
        if (!(*next)->cooldown)
            return {};
        if (auto turn = (*next)->cooldown->take_turn(model_of(wanted), now))
            return std::move(*turn);
        std::rotate(next, next + 1, order.end());
    }
    return {};
}

}  // namespace route
