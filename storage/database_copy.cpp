#include "storage/database_copy.hpp"

#include <algorithm>
#include <map>
#include <span>

#include "storage/request_ids.hpp"

namespace route::storage {

namespace {

using Kind = StorageError::Kind;

constexpr std::size_t batch_rows = 500;
constexpr std::size_t batch_bytes = 4u << 20;

/// Ids of upstreams there by their ids here.
using Ids = std::map<std::int64_t, std::int64_t>;

bool same(const UpstreamDefinition& a, const UpstreamDefinition& b)
{
    return (a.sk == b.sk && a.endpoint == b.endpoint) || (!a.name.empty() && a.name == b.name);
}

Ids copy_upstreams(AnyRepository& from, AnyRepository& to, CopyCounts& counts)
{
    Ids ids;
    const auto there = to.upstreams();
    auto here = from.upstreams();
    // In the order of their ids, so that an empty database gives them the same where it can.
    std::sort(here.begin(), here.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    for (const auto& upstream : here) {
        const auto found = std::find_if(there.begin(), there.end(),
                                        [&](const auto& other) { return same(upstream, other); });
        const bool is_there = found != there.end();
        ++(is_there ? counts.upstreams_there : counts.upstreams);
        ids[upstream.id] = is_there ? found->id : to.add_upstream(upstream);
    }
    return ids;
}

void copy_keys(AnyRepository& from, AnyRepository& to, CopyCounts& counts)
{
    for (const auto& key : from.client_keys()) {
        try {
            to.add_client_key(key.name, key.hash);
            ++counts.keys;
        } catch (const StorageError& error) {
            if (error.kind() != Kind::conflict)
                throw;
            ++counts.keys_there;
        }
    }
}

/// 0 for an upstream that was not copied, for it was deleted: its number would be another's.
void renumber(std::int64_t& id, const Ids& ids)
{
    const auto found = ids.find(id);
    id = found == ids.end() ? 0 : found->second;
}

void insert(AnyRepository& to, std::span<const Record> records, CopyCounts& counts, const CopyHooks& hooks)
{
    try {
        to.insert(records);
        counts.records += records.size();
    } catch (const StorageError& error) {
        if (error.kind() != Kind::rejected)
            throw;
        if (records.size() > 1) {
            const auto half = records.size() / 2;
            insert(to, records.first(half), counts, hooks);
            insert(to, records.subspan(half), counts, hooks);
            return;
        }
        ++counts.rejected;
        if (hooks.on_rejected)
            hooks.on_rejected(records.front(), error.what());
    }
}

}  // namespace

CopyCounts copy_database(AnyRepository& from, AnyRepository& to, const CopyHooks& hooks)
{
    CopyCounts counts;
    const auto ids = copy_upstreams(from, to, counts);
    copy_keys(from, to, counts);
    std::string last;
    for (;;) {
        auto records = from.records_after(last, batch_rows, batch_bytes);
        if (records.empty())
            return counts;
        if (last.empty())
            to.make_room_for(time_of_request_id(records.front().request_id));
        last = records.back().request_id;
        for (auto& record : records) {
            renumber(record.upstream_id, ids);
            for (auto& attempt : record.attempts)
                renumber(attempt.upstream_id, ids);
        }
        insert(to, records, counts, hooks);
        if (hooks.on_progress && !hooks.on_progress(counts))
            return counts;
    }
}

}  // namespace route::storage
