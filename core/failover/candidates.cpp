#include "core/failover/candidates.hpp"

#include <algorithm>
#include <span>

#include "core/failover/affinity.hpp"

namespace route {

namespace {

/// Those of equal priority.
void order_alike(std::span<const Upstream*> upstreams, const OrderRule& rule,
                 std::chrono::steady_clock::time_point now, const Random& random)
{
    if (!rule.session.empty()) {
        order_by_session(upstreams, rule.session);
        return;
    }
    switch (rule.order) {
        case UpstreamOrder::priority:
            break;
        case UpstreamOrder::random:
            order_at_random(upstreams, random);
            break;
        case UpstreamOrder::least_busy:
            order_by_load(upstreams, random);
            break;
        case UpstreamOrder::fastest:
            order_by_speed(upstreams, rule.stream, now, random);
            break;
    }
}

/// Each run of equal priority by itself.
void order_by_rule(std::vector<const Upstream*>& upstreams, const OrderRule& rule,
                   std::chrono::steady_clock::time_point now, const Random& random)
{
    if (rule.order == UpstreamOrder::priority)
        return;
    for (auto first = upstreams.begin(); first != upstreams.end();) {
        const auto last = std::find_if(
            first, upstreams.end(), [first](const Upstream* u) { return u->priority != (*first)->priority; });
        order_alike(std::span{first, last}, rule, now, random);
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
                                        const Random& random)
{
    std::vector<const Upstream*> result;
    result.reserve(upstreams.size());
    for (const auto& upstream : upstreams)
        if (is_eligible(*upstream, wanted))
            result.push_back(upstream.get());

    order_by_rule(result, rule, now, random);
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
        if (!is_full(**next))
            if (auto turn = (*next)->cooldown->take_turn(model_of(wanted), now))
                return std::move(*turn);
        std::rotate(next, next + 1, order.end());
    }
    return {};
}

}  // namespace route
