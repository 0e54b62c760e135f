#include "app/config_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "app/config_values.hpp"

namespace route {
namespace {

/// Levenshtein's distance.
std::size_t edit_distance(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const auto replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = std::exchange(row[j + 1], std::min({row[j] + 1, row[j + 1] + 1, replaced}));
        }
    }
    return row.back();
}

std::string_view last_part(std::string_view key)
{
    return key.substr(key.rfind('.') + 1);
}

}  // namespace

void ConfigReader::refuse(const std::string& key, std::size_t line, std::string problem) const
{
    throw ConfigError{file_, line, key, std::move(problem), {}};
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
    const std::string* best = nullptr;
    std::size_t best_distance = std::max<std::size_t>(2, key.size() / 3) + 1;
    for (const auto& known : known_) {
        // A key that exists elsewhere was put into the wrong table.
        const auto distance = last_part(known) == last_part(key) ? 1 : edit_distance(key, known);
        if (distance < best_distance) {
            best = &known;
            best_distance = distance;
        }
    }
    return best == nullptr ? std::string{} : *best;
}

void ConfigReader::refuse_unknown(const toml::table& table, const std::string& name) const
{
    for (const auto& [key, node] : table) {
        auto full = name.empty() ? std::string{key.str()} : name + '.' + std::string{key.str()};
        if (known_.contains(full))
            continue;
        auto suggestion = nearest(full);
        throw ConfigError{file_, key.source().begin.line, std::move(full), "unknown key",
                          std::move(suggestion)};
    }
}

const toml::node* ConfigTable::find(std::string_view key)
{
    const auto full = full_name(key);
    reader_.know(full);
    const auto* node = table_ == nullptr ? nullptr : table_->get(key);
    if (node != nullptr)
        reader_.found(full, node->source().begin.line);
    return node;
}

void ConfigTable::refuse(std::string_view key, const toml::node& node, const std::string& expected) const
{
    reader_.refuse(full_name(key), node.source().begin.line, "expected " + expected);
}

std::string ConfigTable::full_name(std::string_view key) const
{
    return name_.empty() ? std::string{key} : fmt::format("{}.{}", name_, key);
}

void ConfigTable::flag(std::string_view key, bool& target)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto value = node->value_exact<bool>();
    if (!value)
        refuse(key, *node, "true or false");
    target = *value;
}

void ConfigTable::integer(std::string_view key, int& target, int least, int most)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < least || *value > most)
        refuse(key, *node, fmt::format("a whole number from {} to {}", least, most));
    target = static_cast<int>(*value);
}

void ConfigTable::integer(std::string_view key, unsigned& target, unsigned most, unsigned least)
{
    int value = static_cast<int>(target);
    integer(key, value, static_cast<int>(least), static_cast<int>(most));
    target = static_cast<unsigned>(value);
}

void ConfigTable::seconds_from(std::string_view key, Seconds& target, bool zero_allowed)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto value = node->is_number() ? node->value<double>() : std::nullopt;
    const bool valid = value && *value <= longest_seconds && (zero_allowed ? *value >= 0 : *value > 0);
    if (!valid)
        refuse(key, *node, zero_allowed ? "a number of seconds, 0 or more" : "a number of seconds above 0");
    target = Seconds{*value};
}

void ConfigTable::seconds(std::string_view key, Seconds& target)
{
    seconds_from(key, target, false);
}

void ConfigTable::seconds_or_zero(std::string_view key, Seconds& target)
{
    seconds_from(key, target, true);
}

void ConfigTable::seconds(std::string_view key, std::optional<Seconds>& target)
{
    Seconds value{0};
    seconds_from(key, value, false);
    if (value > Seconds{0})
        target = value;
}

void ConfigTable::size(std::string_view key, std::uint64_t& target, std::uint64_t least)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto number = node->value_exact<std::int64_t>();
    const auto text = node->value_exact<std::string>();
    const auto value = parse_size(number ? std::to_string(*number) : text.value_or(""));
    if (value.has_error())
        refuse(key, *node, value.error().reason);
    if (*value < least)
        refuse(key, *node, "at least " + format_size(least));
    target = *value;
}

void ConfigTable::size(std::string_view key, std::optional<std::uint64_t>& target, std::uint64_t least)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    if (node->value_exact<std::string>() == "")
        return target.reset();
    std::uint64_t value = 0;
    size(key, value, least);
    target = value;
}

void ConfigTable::duration(std::string_view key, std::optional<Seconds>& target)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto text = node->value_exact<std::string>();
    if (text == "")
        return target.reset();
    const auto value = parse_duration(text.value_or(""));
    if (value.has_error())
        refuse(key, *node, value.error().reason + R"(, or "")");
    target = *value;
}

std::string ConfigTable::checked_text(std::string_view key, const toml::node& node, const Check& check) const
{
    auto text = node.value_exact<std::string>();
    if (!text || has_control_characters(*text))
        refuse(key, node, "a string without control characters");
    if (check)
        if (const auto valid = check(*text); valid.has_error())
            refuse(key, node, valid.error().reason);
    return *std::move(text);
}

void ConfigTable::text(std::string_view key, std::string& target, const Check& check)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    target = checked_text(key, *node, check);
}

void ConfigTable::path(std::string_view key, std::string& target, const Check& check)
{
    text(key, target, check);
    target = reader_.absolute(target);
}

void ConfigTable::secret(std::string_view key, std::string& target, const Check& check)
{
    text(key, target, check);
    target = reader_.absolute_reference(target);
}

void ConfigTable::secret_lines(std::string_view key, std::string& target)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto text = node->value_exact<std::string>();
    auto visible = text.value_or("");
    std::erase_if(visible, [](char c) { return c == '\n' || c == '\r' || c == '\t'; });
    if (!text || has_control_characters(visible))
        refuse(key, *node, "a string without control characters other than line ends and tabs");
    target = reader_.absolute_reference(*text);
}

void ConfigTable::texts(std::string_view key, std::vector<std::string>& target, const Check& check)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto* array = node->as_array();
    if (array == nullptr)
        refuse(key, *node, "a list of strings");
    target.clear();
    for (const auto& element : *array)
        target.push_back(checked_text(key, element, check));
}

void ConfigTable::map(std::string_view key, std::map<std::string, std::string>& target)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto* table = node->as_table();
    if (table == nullptr)
        refuse(key, *node, R"(a table of strings such as { "gpt-4" = "gpt-4o" })");
    target.clear();
    for (const auto& [name, value] : *table)
        target.emplace(std::string{name.str()}, checked_text(key, value, {}));
}

}  // namespace route
