#include "app/config/config_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <cmath>

#include "app/config/config_values.hpp"
#include "core/openai/json_members.hpp"

namespace route {
namespace {

/// `expected`, for a node that is not; says so of one that may be without its quotes.
std::string unquoted(const toml::node& node, const std::string& expected)
{
    const auto text = node.value_exact<std::string>().value_or("");
    const bool number = !text.empty() && text.find_first_not_of("+-.0123456789") == std::string::npos;
    return number || text == "true" || text == "false" ? expected + ", without quotes" : expected;
}

}  // namespace

const toml::node* ConfigTable::find(std::string_view key)
{
    const auto full = full_name(key);
    reader_.know(full);
    const auto* node = table_ == nullptr ? nullptr : table_->get(key);
    if (node != nullptr)
        reader_.found(full, node->source().begin.line);
    return node;
}

void ConfigTable::refuse(std::string_view key, const toml::node& node, const std::string& expected)
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
        return refuse(key, *node, unquoted(*node, "true or false"));
    target = *value;
}

void ConfigTable::integer(std::string_view key, int& target, int least, int most)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < least || *value > most)
        return refuse(key, *node, unquoted(*node, fmt::format("a whole number from {} to {}", least, most)));
    target = static_cast<int>(*value);
}

void ConfigTable::integer(std::string_view key, unsigned& target, unsigned most, unsigned least)
{
    int value = static_cast<int>(target);
    integer(key, value, static_cast<int>(least), static_cast<int>(most));
    target = static_cast<unsigned>(value);
}

void ConfigTable::integer(std::string_view key, std::optional<int>& target, int least, int most)
{
    const auto refused = reader_.refused();
    int value = least;
    integer(key, value, least, most);
    if (find(key) != nullptr && reader_.refused() == refused)
        target = value;
}

void ConfigTable::seconds_from(std::string_view key, Seconds& target, bool zero_allowed)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto value = node->is_number() ? node->value<double>() : std::nullopt;
    const bool valid = value && *value <= longest_seconds && (zero_allowed ? *value >= 0 : *value > 0);
    if (!valid)
        return refuse(
            key, *node,
            unquoted(*node, zero_allowed ? "a number of seconds, 0 or more" : "a number of seconds above 0"));
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

void ConfigTable::seconds_or_zero(std::string_view key, std::optional<Seconds>& target)
{
    const auto refused = reader_.refused();
    Seconds value{0};
    seconds_from(key, value, true);
    if (find(key) != nullptr && reader_.refused() == refused)
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
        return refuse(key, *node, value.error().reason);
    if (*value < least)
        return refuse(key, *node, "at least " + format_size(least));
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
        return refuse(key, *node, value.error().reason + R"(, or "")");
    target = *value;
}

std::optional<std::string> ConfigTable::checked_text(std::string_view key, const toml::node& node,
                                                     const Check& check, std::string_view example)
{
    auto text = node.value_exact<std::string>();
    if (!text && example.empty())
        refuse(key, node, R"(a string, in quotes: "…")");
    else if (!text)
        refuse(key, node, fmt::format(R"(a string such as "{}")", example));
    else if (has_control_characters(*text))
        refuse(key, node, "a string without control characters");
    else if (const auto valid = check ? check(*text) : Result<void>{}; valid.has_error())
        refuse(key, node, valid.error().reason);
    else
        return text;
    return std::nullopt;
}

void ConfigTable::text(std::string_view key, std::string& target, const Check& check,
                       std::string_view example)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    if (auto text = checked_text(key, *node, check, example))
        target = *std::move(text);
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
        return refuse(key, *node, "a string without control characters other than line ends and tabs");
    target = reader_.absolute_reference(*text);
}

void ConfigTable::texts(std::string_view key, std::vector<std::string>& target, const Check& check)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto* array = node->as_array();
    if (array == nullptr)
        return refuse(key, *node, R"(a list of strings: ["…"])");
    target.clear();
    for (const auto& element : *array)
        if (auto text = checked_text(key, element, check))
            target.push_back(*std::move(text));
}

void ConfigTable::statuses(std::string_view key, std::vector<unsigned>& target)
{
    constexpr auto expected = "a list of statuses from 300 to 599: [400, 404]";
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto* array = node->as_array();
    if (array == nullptr)
        return refuse(key, *node, expected);
    target.clear();
    for (const auto& element : *array) {
        const auto status = element.value_exact<std::int64_t>();
        if (!status || *status < 300 || *status > 599)
            refuse(key, element, expected);
        else
            target.push_back(static_cast<unsigned>(*status));
    }
}

void ConfigTable::map(std::string_view key, std::map<std::string, std::string>& target)
{
    const auto* node = find(key);
    if (node == nullptr)
        return;
    const auto* table = node->as_table();
    if (table == nullptr)
        return refuse(key, *node, R"(a table of strings such as { "gpt-4" = "gpt-4o" })");
    target.clear();
    for (const auto& [name, value] : *table)
        if (auto text = checked_text(key, value, {}))
            target.emplace(std::string{name.str()}, *std::move(text));
}

void ConfigTable::secrets(std::string_view key, std::map<std::string, std::string>& target)
{
    map(key, target);
    for (auto& [name, value] : target)
        value = reader_.absolute_reference(value);
}

namespace {

/// Nothing for what JSON has no notation for.
std::optional<std::string> json_of(const toml::node& node);

std::optional<std::string> json_of(const toml::array& array)
{
    std::string text = "[";
    for (const auto& element : array) {
        const auto value = json_of(element);
        if (!value)
            return std::nullopt;
        text += (text.size() > 1 ? "," : "") + *value;
    }
    return text + ']';
}

std::optional<std::string> json_of(const toml::table& table)
{
    std::map<std::string, std::string> members;
    for (const auto& [name, element] : table) {
        auto value = json_of(element);
        if (!value)
            return std::nullopt;
        members.emplace(std::string{name.str()}, *std::move(value));
    }
    return write_members(members);
}

std::optional<std::string> json_of(const toml::node& node)
{
    if (const auto* array = node.as_array())
        return json_of(*array);
    if (const auto* table = node.as_table())
        return json_of(*table);
    if (const auto text = node.value_exact<std::string>())
        return boost::json::serialize(boost::json::string_view{*text});
    if (const auto flag = node.value_exact<bool>())
        return *flag ? "true" : "false";
    if (const auto integer = node.value_exact<std::int64_t>())
        return std::to_string(*integer);
    if (const auto number = node.value_exact<double>(); number && std::isfinite(*number))
        return fmt::format("{}", *number);
    return std::nullopt;
}

}  // namespace

void ConfigTable::json_members(std::string_view key, std::map<std::string, std::string>& target)
{
    constexpr auto expected = R"(a table such as { temperature = 0.5 }, or the text of a JSON object)";
    const auto* node = find(key);
    if (node == nullptr)
        return;
    auto text = node->value_exact<std::string>();
    if (const auto* table = node->as_table())
        text = json_of(*table);
    auto members = read_members(text.value_or(""));
    if (!members)
        return refuse(key, *node, expected);
    target = *std::move(members);
}

}  // namespace route
