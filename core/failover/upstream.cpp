#include "core/failover/upstream.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/failover/upstream_header.hpp"
#include "core/openai/json_members.hpp"
#include "core/settings.hpp"
#include "core/text.hpp"

namespace route {

std::string effective_name(const UpstreamDefinition& definition)
{
    return definition.name.empty() ? "upstream-" + std::to_string(definition.id) : definition.name;
}

bool valid_upstream_name(std::string_view name)
{
    constexpr std::string_view digits = "0123456789";
    constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return !name.empty() && name.size() <= 64 && name.find_first_not_of(allowed) == name.npos &&
           name.find_first_not_of(digits) != name.npos;
}

namespace {

/// memmem never looks at a byte of `text` for each one of `piece`.
std::size_t find(std::string_view text, std::string_view piece)
{
    const void* at = memmem(text.data(), text.size(), piece.data(), piece.size());
    return at == nullptr ? text.npos : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

}  // namespace

bool matches_pattern(std::string_view pattern, std::string_view text)
{
    const auto star = pattern.find('*');
    if (star == pattern.npos)
        return pattern == text;
    if (!text.starts_with(pattern.substr(0, star)))
        return false;
    text.remove_prefix(star);
    pattern.remove_prefix(star + 1);
    // The first place for each piece leaves the most for those behind it.
    for (auto next = pattern.find('*'); next != pattern.npos; next = pattern.find('*')) {
        const auto at = find(text, pattern.substr(0, next));
        if (at == text.npos)
            return false;
        text.remove_prefix(at + next);
        pattern.remove_prefix(next + 1);
    }
    return text.ends_with(pattern);
}

namespace {

/// Whether some name that begins with `beginning`, and is longer, matches.
bool may_match_longer(std::string_view pattern, std::string_view beginning)
{
    const auto star = pattern.find('*');
    const auto fixed = pattern.substr(0, star);
    return fixed.size() > beginning.size() ? fixed.starts_with(beginning)
                                           : star != pattern.npos && beginning.starts_with(fixed);
}

/// Whether all of them do.
bool matches_longer(std::string_view pattern, std::string_view beginning)
{
    return pattern.ends_with('*') && matches_pattern(pattern, beginning);
}

template <class Matches>
bool any_matches(const std::vector<std::string>& entries, const std::optional<std::string>& model,
                 std::string_view path, Matches&& matches)
{
    return std::any_of(entries.begin(), entries.end(), [&](const std::string& entry) {
        return (model && matches(entry, *model)) || (entry.starts_with('/') && matches_pattern(entry, path));
    });
}

}  // namespace

bool allows(const std::vector<std::string>& allow, const std::vector<std::string>& deny,
            const std::optional<std::string>& model, std::string_view path, bool model_cut)
{
    const auto denies = model_cut ? may_match_longer : matches_pattern;
    const auto permits = model_cut ? matches_longer : matches_pattern;
    return !any_matches(deny, model, path, denies) &&
           (allow.empty() || any_matches(allow, model, path, permits));
}

namespace {

/// Text for one line: valid UTF-8 with no control character.
bool plain_text(std::string_view text)
{
    const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    return std::none_of(text.begin(), text.end(), control) && valid_utf8(text);
}

bool visible_ascii(std::string_view text)
{
    return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

Result<std::string> resolve_key(const std::string& sk, const SecretResolver& resolve)
{
    if (sk.empty())
        return Invalid{"sk: expected a key, env:NAME, file:PATH or asis, but it is empty"};
    auto key = resolve ? resolve(sk) : Result<std::string>{boost::system::in_place_value, sk};
    if (!key)
        return Invalid{"sk: " + key.error().reason};
    if (key->empty())
        return Invalid{"sk: expected a key, but what it refers to is empty"};
    if (!visible_ascii(*key))
        return Invalid{"sk: expected visible ASCII characters without spaces"};
    return key;
}

/// May be a reference, as it can hold a password.
Result<std::string> resolve_proxy(const std::string& proxy, const SecretResolver& resolve)
{
    auto resolved = proxy.empty() || !resolve ? Result<std::string>{boost::system::in_place_value, proxy}
                                              : resolve(proxy);
    if (!resolved)
        return Invalid{"proxy: " + resolved.error().reason};
    if (const auto usable = check_proxy(*resolved); !usable)
        return Invalid{"proxy: " + usable.error().reason};
    return resolved;
}

constexpr Seconds longest_timeout = std::chrono::hours{24 * 365};

/// Not set is the general one, 0 is none at all.
Result<std::optional<Seconds>> read_limit(const char* field, std::optional<Seconds> limit)
{
    if (!limit)
        return limit;
    if (!(limit->count() >= 0) || !std::isfinite(limit->count()))
        return Invalid{std::string{field} + ": expected a number of seconds, 0 or more"};
    return std::optional<Seconds>{std::min(*limit, longest_timeout)};
}

Result<std::vector<UpstreamHeader>> resolve_headers(const std::map<std::string, std::string>& headers,
                                                    const SecretResolver& resolve)
{
    std::vector<UpstreamHeader> result;
    for (const auto& [name, value] : headers) {
        if (const auto reason = refused_header(name))
            return Invalid{"headers: " + *reason};
        for (const auto& other : result)
            if (equal_ignoring_case(other.name, name))
                return Invalid{"headers: expected " + name + " once"};
        auto resolved = value.empty() || !resolve ? Result<std::string>{boost::system::in_place_value, value}
                                                  : resolve(value);
        if (!resolved)
            return Invalid{"headers: " + name + ": " + resolved.error().reason};
        if (!value.empty() && resolved->empty())
            return Invalid{"headers: " + name + ": expected a value, but what it refers to is empty"};
        if (!plain_text(*resolved) || trim(*resolved) != *resolved)
            return Invalid{"headers: " + name +
                           ": expected a value without control characters, and without blanks around it"};
        result.push_back({name, *std::move(resolved), is_secret_header(name, value)});
    }
    return result;
}

/// 0 is "not set"; more than a year is a year, so that no sum with a clock overflows.
Result<std::optional<Seconds>> read_timeout(const char* field, std::optional<Seconds> timeout)
{
    if (!timeout || timeout->count() == 0)
        return std::optional<Seconds>{};
    if (!(timeout->count() > 0) || !std::isfinite(timeout->count()))
        return Invalid{std::string{field} + ": expected a number of seconds larger than 0"};
    return std::optional<Seconds>{std::min(*timeout, longest_timeout)};
}

std::optional<Invalid> refusal_of_member(const char* field, const std::string& name)
{
    const std::string where{field};
    if (name.empty() || !plain_text(name))
        return Invalid{where + ": expected names of members without control characters"};
    if (equal_ignoring_case(name, "model"))
        return Invalid{where + ": expected another member than model, which rename changes"};
    if (equal_ignoring_case(name, "stream"))
        return Invalid{where + ": expected another member than stream, which is the client's to say"};
    return std::nullopt;
}

/// Of what an upstream needs beyond a key and an endpoint.
std::optional<Invalid> refusal_of_needs(const UpstreamDefinition& definition)
{
    if (definition.retries && (*definition.retries < 0 || *definition.retries > most_tries))
        return Invalid{"retries: expected 0 to " + std::to_string(most_tries)};
    if (definition.max_in_flight < 0)
        return Invalid{"max_in_flight: expected 0 or more"};
    for (const auto& [name, value] : definition.headers)
        if (!definition.key_header.empty() && equal_ignoring_case(name, definition.key_header))
            return Invalid{"headers: expected another header than that of key_header"};
    if (!definition.key_header.empty())
        if (const auto reason = refused_header(definition.key_header))
            return Invalid{"key_header: " + *reason};
    if (!definition.key_header.empty() && definition.sk == "asis")
        return Invalid{
            "key_header: expected none where sk is asis: the client's key goes where the client put it"};
    for (const auto& [name, value] : definition.set) {
        if (auto invalid = refusal_of_member("set", name))
            return invalid;
        if (!is_json(value))
            return Invalid{"set: " + name + ": expected JSON, such as 0.5, true or \"text\""};
    }
    for (const auto& name : definition.unset) {
        if (auto invalid = refusal_of_member("unset", name))
            return invalid;
        if (definition.set.count(name) > 0)
            return Invalid{"unset: expected " + name + " in set or in unset, not in both"};
    }
    return std::nullopt;
}

/// Why the rest of a definition can not be used, or nothing.
std::optional<Invalid> refusal(const UpstreamDefinition& definition)
{
    if (!definition.name.empty() && !valid_upstream_name(definition.name))
        return Invalid{"name: expected 1 to 64 of A-Z a-z 0-9 . _ - and not digits alone"};
    if (!definition.unreadable.empty()) {
        const auto& column = definition.unreadable.begin()->first;
        if (column == "rename")
            return Invalid{"rename: expected a JSON object of strings"};
        if (column == "headers")
            return Invalid{"headers: expected a JSON object of strings and nulls"};
        if (column == "set")
            return Invalid{"set: expected a JSON object"};
        return Invalid{column + ": expected a JSON array of strings"};
    }
    if (definition.weight < 0)
        return Invalid{"weight: expected 0 or more"};
    const auto usable = [](const std::string& entry) { return !entry.empty() && plain_text(entry); };
    if (!std::all_of(definition.allow.begin(), definition.allow.end(), usable))
        return Invalid{"allow: expected names or patterns without control characters"};
    if (!std::all_of(definition.deny.begin(), definition.deny.end(), usable))
        return Invalid{"deny: expected names or patterns without control characters"};
    for (const auto& [from, to] : definition.rename)
        if (!usable(from) || !usable(to))
            return Invalid{"rename: expected model names without control characters"};
    return refusal_of_needs(definition);
}

}  // namespace

Result<Upstream> make_upstream(const UpstreamDefinition& definition, const SecretResolver& resolve,
                               std::shared_ptr<Cooldown> cooldown)
{
    if (auto invalid = refusal(definition))
        return *std::move(invalid);
    auto endpoint = parse_endpoint(definition.endpoint);
    if (!endpoint)
        return Invalid{"endpoint: " + endpoint.error().reason};
    const auto timeout = read_timeout("timeout", definition.timeout);
    if (!timeout)
        return timeout.error();
    const auto stream_timeout = read_timeout("stream_timeout", definition.stream_timeout);
    if (!stream_timeout)
        return stream_timeout.error();

    const auto first_content = read_limit("first_content_timeout", definition.first_content_timeout);
    if (!first_content)
        return first_content.error();
    const auto hedge_after = read_limit("hedge_after", definition.hedge_after);
    if (!hedge_after)
        return hedge_after.error();
    auto headers = resolve_headers(definition.headers, resolve);
    if (!headers)
        return headers.error();

    auto proxy = resolve_proxy(definition.proxy, resolve);
    if (!proxy)
        return proxy.error();

    const bool asis = definition.sk == "asis";
    std::string key;
    if (!asis) {
        auto resolved = resolve_key(definition.sk, resolve);
        if (!resolved)
            return resolved.error();
        key = *std::move(resolved);
    }
    return Upstream{
        .id = definition.id,
        .name = effective_name(definition),
        .endpoint_url = definition.endpoint,
        .endpoint = *std::move(endpoint),
        .key = std::move(key),
        .asis = asis,
        .priority = definition.priority,
        .weight = definition.weight,
        .timeout = *timeout,
        .stream_timeout = *stream_timeout,
        .allow = definition.allow,
        .deny = definition.deny,
        .rename = definition.rename,
        .retries = definition.retries,
        .first_content_timeout = *first_content,
        .hedge_after = *hedge_after,
        .max_in_flight = definition.max_in_flight,
        .headers = *std::move(headers),
        .set = definition.set,
        .unset = definition.unset,
        .key_header = definition.key_header,
        .proxy = *std::move(proxy),
        .via = {},
        .proxy_authorization = {},
        .pool_key = {},
        .cooldown = cooldown ? std::move(cooldown) : std::make_shared<Cooldown>(),
        .in_flight = std::make_shared<InFlight>(),
        .content_time = std::make_shared<ContentTime>(),
    };
}

const std::string& sent_model(const Upstream& upstream, const std::string& model)
{
    const auto renamed = upstream.rename.find(model);
    return renamed == upstream.rename.end() ? model : renamed->second;
}

bool is_secret_header(std::string_view name, std::string_view value)
{
    const auto begins = [&](std::string_view scheme) {
        return equal_ignoring_case(value.substr(0, scheme.size()), scheme);
    };
    return !value.empty() &&
           (names_credential(name) || value.starts_with("env:") || value.starts_with("file:") ||
            value.starts_with("sk-") || begins("bearer ") || begins("basic "));
}

namespace {

/// How many bytes the first `characters` characters of valid UTF-8 take.
std::size_t prefix_size(std::string_view text, std::size_t characters)
{
    std::size_t at = 0;
    for (; characters > 0 && at < text.size(); --characters)
        do
            ++at;
        while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
    return at;
}

std::size_t length(std::string_view text)
{
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::string mask_key(std::string_view key)
{
    if (key == "asis" || key.starts_with("env:") || key.starts_with("file:"))
        return std::string{key};
    if (!plain_text(key) || length(key) < 16)
        return "…";
    const auto last = key.substr(prefix_size(key, length(key) - 4));
    return std::string{key.substr(0, prefix_size(key, 4))} + "…" + std::string{last};
}

}  // namespace route
