#include "app/upstream_import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

namespace route {
namespace {

/// Thrown and caught here.
[[noreturn]] void refuse(const std::string& file, const FiledUpstream& entry, const char* key,
                         std::string problem)
{
    throw ConfigError{file, entry.line, key, std::move(problem), {}};
}

/// `upstream-7`: what a row without a name is called. In another database that may be another upstream.
bool is_made_up(const std::string& name)
{
    constexpr std::string_view prefix = "upstream-";
    return name.starts_with(prefix) && name.size() > prefix.size() &&
           name.find_first_not_of("0123456789", prefix.size()) == std::string::npos;
}

const UpstreamDefinition* find_stored(const UpstreamDefinition& wanted,
                                      const std::vector<UpstreamDefinition>& stored)
{
    const auto find = [&](const auto& matches) -> const UpstreamDefinition* {
        const auto found = std::find_if(stored.begin(), stored.end(), matches);
        return found == stored.end() ? nullptr : &*found;
    };
    const auto same_name = [&](const UpstreamDefinition& row) {
        return !wanted.name.empty() && row.name == wanted.name;
    };
    const auto same_row = [&](const UpstreamDefinition& row) {
        const bool alike = wanted.sk.empty() ? row.endpoint == wanted.endpoint : row.sk == wanted.sk;
        return row.name.empty() && effective_name(row) == wanted.name && alike;
    };
    const auto same_key = [&](const UpstreamDefinition& row) {
        return row.sk == wanted.sk && row.endpoint == wanted.endpoint;
    };
    if (const auto* row = find(same_name))
        return row;
    if (const auto* row = find(same_row))
        return row;
    return find(same_key);
}

std::vector<std::string> differences(const UpstreamDefinition& before, const UpstreamDefinition& after)
{
    std::vector<std::string> fields;
    const auto compare = [&](const char* field, const auto& old, const auto& now) {
        if (old != now || (before.unreadable.contains(field) && !after.unreadable.contains(field)))
            fields.emplace_back(field);
    };
    compare("name", before.name, after.name);
    compare("endpoint", before.endpoint, after.endpoint);
    compare("sk", before.sk, after.sk);
    compare("priority", before.priority, after.priority);
    compare("weight", before.weight, after.weight);
    compare("timeout", before.timeout, after.timeout);
    compare("stream_timeout", before.stream_timeout, after.stream_timeout);
    compare("allow", before.allow, after.allow);
    compare("deny", before.deny, after.deny);
    compare("rename", before.rename, after.rename);
    compare("retries", before.retries, after.retries);
    compare("first_content_timeout", before.first_content_timeout, after.first_content_timeout);
    compare("hedge_after", before.hedge_after, after.hedge_after);
    compare("max_in_flight", before.max_in_flight, after.max_in_flight);
    compare("headers", before.headers, after.headers);
    compare("set", before.set, after.set);
    compare("unset", before.unset, after.unset);
    compare("key_header", before.key_header, after.key_header);
    compare("proxy", before.proxy, after.proxy);
    compare("enabled", before.enabled, after.enabled);
    return fields;
}

ImportStep step_for(const FiledUpstream& entry, const UpstreamDefinition* before, const std::string& file)
{
    ImportStep step{ImportStep::Kind::add, entry.definition, {}};
    auto& after = step.definition;
    if (is_made_up(after.name))
        after.name.clear();
    if (before == nullptr) {
        if (after.sk.empty())
            refuse(file, entry, "upstreams.sk",
                   fmt::format("expected a key: no upstream that is stored is {}",
                               entry.definition.name.empty() ? "this one" : entry.definition.name));
        return step;
    }
    after.id = before->id;
    if (after.name.empty())
        after.name = before->name;
    if (after.sk.empty())
        after.sk = before->sk;
    if (!entry.has_proxy)
        after.proxy = before->proxy;
    if (!entry.has_headers) {
        after.headers = before->headers;
        if (const auto kept = before->unreadable.find("headers"); kept != before->unreadable.end())
            after.unreadable.insert(*kept);
    }
    step.fields = differences(*before, after);
    step.kind = step.fields.empty() ? ImportStep::Kind::keep : ImportStep::Kind::change;
    return step;
}

/// The upstreams of the steps before step `index`, and those no step speaks of.
std::vector<UpstreamDefinition> others_of(std::size_t index, const std::vector<ImportStep>& steps,
                                          const std::vector<UpstreamDefinition>& stored)
{
    std::vector<UpstreamDefinition> others;
    for (std::size_t i = 0; i < index; ++i)
        if (steps[i].kind != ImportStep::Kind::foreign)
            others.push_back(steps[i].definition);
    for (const auto& row : stored)
        if (std::none_of(steps.begin(), steps.end(),
                         [&](const ImportStep& step) { return step.definition.id == row.id; }))
            others.push_back(row);
    return others;
}

void check_conflicts(const FiledUpstream& entry, const UpstreamDefinition& after,
                     const std::vector<UpstreamDefinition>& others, const std::string& file)
{
    for (const auto& other : others) {
        const bool unnamed = other.name.empty() && other.id == 0;
        const auto called = unnamed ? std::string{"another one of the file"} : effective_name(other);
        if (after.id != 0 && other.id == after.id)
            refuse(file, entry, "upstreams", fmt::format("expected one entry for {}", called));
        if (!unnamed && !after.name.empty() && after.name == called)
            refuse(file, entry, "upstreams.name",
                   other.id == 0 ? "expected a name no other entry has"
                                 : fmt::format("expected a name that upstream {} has not", other.id));
        if (after.sk == other.sk && after.endpoint == other.endpoint)
            refuse(file, entry, "upstreams.sk",
                   fmt::format("expected another key or endpoint than {} has", called));
    }
}

}  // namespace

ConfigResult<std::vector<ImportStep>> plan_import(const std::vector<FiledUpstream>& filed,
                                                  const std::vector<UpstreamDefinition>& stored,
                                                  const std::vector<UpstreamDefinition>& configured,
                                                  const std::string& file)
{
    try {
        std::vector<ImportStep> steps;
        for (const auto& entry : filed) {
            const auto& definition = entry.definition;
            const bool foreign = std::any_of(configured.begin(), configured.end(), [&](const auto& other) {
                return other.name == definition.name;
            });
            if (foreign)
                steps.push_back({ImportStep::Kind::foreign, definition, {}});
            else
                steps.push_back(step_for(entry, find_stored(definition, stored), file));
        }
        for (std::size_t i = 0; i < steps.size(); ++i)
            if (steps[i].kind != ImportStep::Kind::foreign)
                check_conflicts(filed[i], steps[i].definition, others_of(i, steps, stored), file);
        return steps;
    } catch (const ConfigError& error) {
        return error;
    }
}

}  // namespace route
