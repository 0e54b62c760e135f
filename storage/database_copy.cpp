#include "storage/database_copy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "storage/request_ids.hpp"

namespace route::storage {

namespace {

using Kind = StorageError::Kind;

constexpr std::size_t batch_rows = 500;
constexpr std::size_t batch_bytes = 4u << 20;
constexpr int most_names = 100;

/// Ids of upstreams there by their ids here.
using Ids = std::map<std::int64_t, std::int64_t>;

/// Calls `add` with `name`, or with `name-2` and so on where that is taken.
template <class F>
auto add_under_free_name(const char* what, const std::string& name, const CopyHooks& hooks, F&& add)
{
    for (int number = 2;; ++number) {
        const auto tried = number == 2 ? name : name + "-" + std::to_string(number - 1);
        try {
            auto added = add(tried);
            if (tried != name && hooks.on_renamed)
                hooks.on_renamed(
                    fmt::format("{} {} is called {} there: the name is taken", what, name, tried));
            return added;
        } catch (const StorageError& error) {
            if (error.kind() != Kind::conflict || name.empty() || number > most_names)
                throw;
        }
    }
}

struct CopiedUpstreams
{
    Ids ids;
    std::set<std::string> renamed;  ///< names that belong to another one there
};

CopiedUpstreams copy_upstreams(AnyRepository& from, AnyRepository& to, CopyCounts& counts,
                               const CopyHooks& hooks)
{
    CopiedUpstreams copied;
    auto& ids = copied.ids;
    const auto there = to.upstreams();
    auto here = from.upstreams();
    // In the order of their ids, so that an empty database gives them the same where it can.
    std::sort(here.begin(), here.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    for (const auto& upstream : here) {
        const auto found = std::find_if(there.begin(), there.end(), [&](const auto& other) {
            return upstream.sk == other.sk && upstream.endpoint == other.endpoint;
        });
        if (found != there.end()) {
            ++counts.upstreams_there;
            ids[upstream.id] = found->id;
            continue;
        }
        ++counts.upstreams;
        ids[upstream.id] =
            add_under_free_name("upstream", upstream.name, hooks, [&](const std::string& name) {
                auto named = upstream;
                named.name = name;
                if (name != upstream.name)
                    copied.renamed.insert(upstream.name);
                return to.add_upstream(named);
            });
    }
    return copied;
}

void copy_keys(AnyRepository& from, AnyRepository& to, CopyCounts& counts, const CopyHooks& hooks)
{
    const auto there = to.client_keys();
    for (const auto& key : from.client_keys()) {
        if (find_key(there, key.hash) != nullptr) {
            ++counts.keys_there;
            continue;
        }
        ++counts.keys;
        add_under_free_name("client key", key.name, hooks,
                            [&](const std::string& name) { return to.add_client_key(name, key.hash); });
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
    const auto [ids, renamed] = copy_upstreams(from, to, counts, hooks);
    copy_keys(from, to, counts, hooks);
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
            if (renamed.count(record.upstream_name) > 0)
                record.made_ids.clear();  // they would be another's
            for (auto& attempt : record.attempts)
                renumber(attempt.upstream_id, ids);
        }
        insert(to, records, counts, hooks);
        if (hooks.on_progress && !hooks.on_progress(counts))
            return counts;
    }
}

}  // namespace route::storage
