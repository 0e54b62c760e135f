// Which upstream made what a request names.
#include "core/net/maker_lookup.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <functional>

#include "core/net/loop/off_loop.hpp"

namespace route::net {

namespace {

const Upstream* upstream_of(const RoutingTable& table, std::uint64_t maker)
{
    const auto found =
        std::find_if(table.upstreams.begin(), table.upstreams.end(),
                     [maker](const auto& upstream) { return maker_key(upstream->name) == maker; });
    return found == table.upstreams.end() ? nullptr : found->get();
}

struct Sought
{
    const Upstream* maker = nullptr;  ///< of the first whose maker is known
    IdHashes unknown;                 ///< before that
};

Sought seek(const Makers& makers, const RoutingTable& table, const IdHashes& ids)
{
    Sought sought;
    for (const auto& id : ids) {
        const auto maker = makers.find(id);
        if (!maker)
            sought.unknown.push_back(id);
        else if ((sought.maker = upstream_of(table, *maker)) != nullptr)
            break;
    }
    return sought;
}

/// At most once a minute, whichever loop it is.
void warn_of_slow_lookup(Services& services)
{
    constexpr auto silence = Clock::duration{std::chrono::minutes{1}}.count();
    const auto now = Clock::now().time_since_epoch().count();
    auto told_at = services.lookup_told_at.load(std::memory_order_relaxed);
    if (told_at != 0 && now - told_at < silence)
        return;
    if (services.lookup_told_at.compare_exchange_strong(told_at, now, std::memory_order_relaxed))
        spdlog::warn(
            "the database does not say in time which upstream made what a request names: it goes in the "
            "usual "
            "order");
}

}  // namespace

awaitable<const Upstream*> find_maker(EventLoop& loop, const RoutingTable& table, const IdHashes& ids)
{
    auto& services = loop.services;
    auto sought = seek(services.makers, table, ids);
    if (sought.unknown.empty() || !services.find_makers)
        co_return sought.maker;
    const auto deadline = Clock::now() + longest_lookup;
    std::function<std::vector<MadeBy>()> ask = [&services, unknown = std::move(sought.unknown), deadline] {
        return services.find_makers(unknown, deadline);
    };
    auto asking = run_off_loop_until(services.lookups, loop, deadline, std::move(ask));
    auto known = co_await std::move(asking);
    if (!known) {
        warn_of_slow_lookup(services);
        co_return sought.maker;
    }
    for (const auto& made : *known)
        if (!services.makers.find(made.id))
            services.makers.note(made.id, maker_key(made.upstream_name));
    // Memory may not have taken it.
    for (const auto& id : ids) {
        auto maker = services.makers.find(id);
        const auto row =
            std::find_if(known->begin(), known->end(), [&](const MadeBy& made) { return made.id == id; });
        if (!maker && row != known->end())
            maker = maker_key(row->upstream_name);
        if (const auto* const upstream = maker ? upstream_of(table, *maker) : nullptr)
            co_return upstream;
    }
    co_return nullptr;
}

}  // namespace route::net
