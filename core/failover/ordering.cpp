#include "core/failover/ordering.hpp"

#include <algorithm>
#include <vector>

namespace route {
namespace {

using Order = std::span<const Upstream*>;
using Place = Order::iterator;

std::uint64_t weight_of(const Upstream& upstream)
{
    return static_cast<std::uint64_t>(std::max(upstream.weight, 0));
}

/// One of them, each with a chance of its weight, all alike when no weight is left.
Place draw(Order among, const Random& random)
{
    std::uint64_t total = 0;
    for (const auto* upstream : among)
        total += weight_of(*upstream);
    if (total == 0)
        return among.begin() + static_cast<std::ptrdiff_t>(random() % among.size());
    auto point = random() % total;
    for (auto place = among.begin(); place != among.end(); ++place) {
        const auto weight = weight_of(**place);
        if (point < weight)
            return place;
        point -= weight;
    }
    return among.begin();
}

/// Moves it before the first; the others keep their order.
void bring_first(Order order, Place chosen)
{
    std::rotate(order.begin(), chosen, chosen + 1);
}

/// Those with a weight, of an order_at_random().
Order weighted(Order order)
{
    const auto end =
        std::find_if(order.begin(), order.end(), [](const Upstream* one) { return one->weight <= 0; });
    return order.first(static_cast<std::size_t>(end - order.begin()));
}

}  // namespace

void order_at_random(Order upstreams, const Random& random)
{
    for (auto rest = upstreams; rest.size() > 1; rest = rest.subspan(1))
        bring_first(rest, draw(rest, random));
}

void order_by_load(Order upstreams, const Random& random)
{
    struct Loaded
    {
        double load;
        const Upstream* upstream;
    };
    order_at_random(upstreams, random);
    const auto in_use = weighted(upstreams);
    std::vector<Loaded> all;
    all.reserve(in_use.size());
    for (const auto* upstream : in_use) {
        // Read once for each: other threads change it meanwhile.
        const auto count = upstream->in_flight ? upstream->in_flight->count() : 0;
        const Loaded loaded{static_cast<double>(count) / upstream->weight, upstream};
        const auto behind = std::upper_bound(
            all.begin(), all.end(), loaded, [](const Loaded& a, const Loaded& b) { return a.load < b.load; });
        all.insert(behind, loaded);
    }
    std::transform(all.begin(), all.end(), in_use.begin(), [](const Loaded& one) { return one.upstream; });
}

void order_by_speed(Order upstreams, bool stream, std::chrono::steady_clock::time_point now,
                    const Random& random)
{
    const auto time_of = [&](Place place) {
        const auto& known = (*place)->content_time;
        const auto mean = known ? known->of(stream).at(now) : std::nullopt;
        return mean.value_or(std::chrono::steady_clock::duration::min());
    };
    order_at_random(upstreams, random);
    // In random order the first two are two drawn at random.
    for (auto rest = weighted(upstreams); rest.size() > 1; rest = rest.subspan(1))
        if (time_of(rest.begin() + 1) < time_of(rest.begin()))
            std::iter_swap(rest.begin(), rest.begin() + 1);
}

}  // namespace route
