#include "core/failover/upstream.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

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

/// 0 is "not set"; more than a year is a year, so that no sum with a clock overflows.
Result<std::optional<Seconds>> read_timeout(const char* field, std::optional<Seconds> timeout)
{
    if (!timeout || timeout->count() == 0)
        return std::optional<Seconds>{};
    if (!(timeout->count() > 0) || !std::isfinite(timeout->count()))
        return Invalid{std::string{field} + ": expected a number of seconds larger than 0"};
    return std::optional<Seconds>{std::min(*timeout, longest_timeout)};
}

/// Why the rest of a definition can not be used, or nothing.
std::optional<Invalid> refusal(const UpstreamDefinition& definition)
{
    if (!definition.name.empty() && !valid_upstream_name(definition.name))
        return Invalid{"name: expected 1 to 64 of A-Z a-z 0-9 . _ - and not digits alone"};
    if (!definition.unreadable.empty()) {
        const auto& column = definition.unreadable.begin()->first;
        return Invalid{column + (column == "rename" ? ": expected a JSON object of strings"
                                                    : ": expected a JSON array of strings")};
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
    return std::nullopt;
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
        .proxy = *std::move(proxy),
        .via = {},
        .proxy_authorization = {},
        .pool_key = {},
        .cooldown = cooldown ? std::move(cooldown) : std::make_shared<Cooldown>(),
    };
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
