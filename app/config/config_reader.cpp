// What is wrong with a configuration file, and what was meant.
#include "app/config/config_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/config/config_values.hpp"
#include "app/config/nearest_word.hpp"

namespace route {
namespace {

/// What people call things, and how they are called here; of several, what its table has.
constexpr std::array<Synonym, 52> key_synonyms{{
    {"url", "endpoint"},
    {"uri", "endpoint"},
    {"base_url", "endpoint"},
    {"api_base", "endpoint"},
    {"host", "endpoint"},
    {"address", "endpoint"},
    {"key", "sk"},
    {"api_key", "sk"},
    {"apikey", "sk"},
    {"secret", "sk"},
    {"secret_key", "sk"},
    {"token", "sk"},
    {"password", "sk"},
    {"models", "allow"},
    {"model", "allow"},
    {"include", "allow"},
    {"exclude", "deny"},
    {"block", "deny"},
    {"alias", "rename"},
    {"aliases", "rename"},
    {"map", "rename"},
    {"model_map", "rename"},
    {"order", "priority"},
    {"rank", "priority"},
    {"disabled", "enabled"},
    {"id", "name"},
    {"title", "name"},
    {"port", "listen"},
    {"addr", "listen"},
    {"address", "listen"},
    {"bind", "listen"},
    {"host", "listen"},
    {"workers", "threads"},
    {"cert", "certificate"},
    {"tls_cert", "certificate"},
    {"tls_key", "private_key"},
    {"key", "private_key"},
    {"path", "sqlite"},
    {"file", "sqlite"},
    {"url", "postgres"},
    {"dsn", "postgres"},
    {"type", "backend"},
    {"driver", "backend"},
    {"engine", "backend"},
    {"verbosity", "level"},
    {"url", "webhook"},
    {"feishu", "feishu_webhook"},
    {"key", "keys"},
    {"tokens", "keys"},
    {"required", "enabled"},
    {"keep", "retention"},
    {"days", "retention"},
}};

constexpr std::array<Synonym, 10> table_synonyms{{
    {"database", "storage"},
    {"db", "storage"},
    {"logging", "log"},
    {"providers", "upstreams"},
    {"backends", "upstreams"},
    {"timeout", "timeouts"},
    {"tls", "server"},
    {"http", "server"},
    {"messages", "notify"},
    {"alerts", "notify"},
}};

std::string_view last_part(std::string_view key)
{
    return key.substr(key.rfind('.') + 1);
}

}  // namespace

void ConfigReader::add(ConfigError error)
{
    if (refused_.emplace(error.line, error.key).second)
        errors_.push_back(std::move(error));
}

void ConfigReader::refuse(const std::string& key, std::size_t line, std::string problem)
{
    add({file_, line, key, std::move(problem), {}});
}

ConfigErrors ConfigReader::errors() const
{
    // By line; those of one line in the order in which they were found.
    ConfigErrors sorted;
    for (const auto& error : errors_) {
        const auto later = [](std::size_t line, const ConfigError& other) { return line < other.line; };
        sorted.insert(std::upper_bound(sorted.begin(), sorted.end(), error.line, later), error);
    }
    return sorted;
}

std::string ConfigReader::absolute(const std::string& path) const
{
    return path.empty() || directory_.empty() ? path : (directory_ / path).lexically_normal().string();
}

std::string ConfigReader::absolute_reference(const std::string& secret) const
{
    constexpr std::string_view prefix = "file:";
    if (!secret.starts_with(prefix))
        return secret;
    return std::string{prefix} + absolute(secret.substr(prefix.size()));
}

std::string ConfigReader::nearest(const std::string& key) const
{
    const auto name = std::string{last_part(key)};
    const auto table = key.substr(0, key.size() - name.size());  // with its '.'
    std::vector<std::string> beside;
    std::string elsewhere;
    for (const auto& known : known_) {
        const auto last = last_part(known);
        if (known.size() == table.size() + last.size() && known.starts_with(table))
            beside.emplace_back(last);
        else if (last == name && elsewhere.empty())
            elsewhere = known;
    }
    const std::span<const Synonym> synonyms{table.empty() ? std::span<const Synonym>{table_synonyms}
                                                          : std::span<const Synonym>{key_synonyms}};
    const auto meant = nearest_word(name, beside, synonyms);
    const bool other_word = std::any_of(synonyms.begin(), synonyms.end(), [&](const Synonym& each) {
        return each.word == name && each.meant == meant;
    });
    // A key that exists elsewhere was put into the wrong table.
    if (!elsewhere.empty() && !other_word && (!meant || edit_distance(*meant, name) > 1))
        return elsewhere;
    return meant ? table + *meant : std::string{};
}

void ConfigReader::refuse_unknown(const toml::table& table, const std::string& name)
{
    for (const auto& [key, node] : table) {
        auto full = name.empty() ? std::string{key.str()} : name + '.' + std::string{key.str()};
        if (known_.contains(full))
            continue;
        auto suggestion = nearest(full);
        add({file_, key.source().begin.line, std::move(full), "unknown key", std::move(suggestion)});
    }
}

}  // namespace route
