#pragma once

#include <toml++/toml.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/config/config_reader.hpp"

namespace route {

/// One table of the file. Each function reads one key into `target`, which holds the default and keeps it
/// when the key is not there or is refused. A null table makes the keys known.
class ConfigTable
{
  public:
    ConfigTable(ConfigReader& reader, const toml::table* table, std::string name)
        : reader_{reader}, table_{table}, name_{std::move(name)}
    {
    }

    using Check = std::function<Result<void>(const std::string&)>;

    void flag(std::string_view key, bool& target);
    void integer(std::string_view key, int& target, int least, int most);
    void integer(std::string_view key, unsigned& target, unsigned most, unsigned least = 0);
    void integer(std::string_view key, std::optional<int>& target, int least, int most);
    void seconds(std::string_view key, Seconds& target);          ///< above 0
    void seconds_or_zero(std::string_view key, Seconds& target);  ///< 0 has a meaning
    void seconds(std::string_view key, std::optional<Seconds>& target);
    void seconds_or_zero(std::string_view key, std::optional<Seconds>& target);
    void size(std::string_view key, std::uint64_t& target, std::uint64_t least);
    /// The same, or "" for none.
    void size(std::string_view key, std::optional<std::uint64_t>& target, std::uint64_t least);
    void duration(std::string_view key, std::optional<Seconds>& target);  ///< "" for none
    /// `example` is what one may write, for those who wrote no string.
    void text(std::string_view key, std::string& target, const Check& check = {},
              std::string_view example = {});
    void path(std::string_view key, std::string& target, const Check& check = {});  ///< made absolute
    void secret(std::string_view key, std::string& target,
                const Check& check = {});  ///< a value or a reference, whose path is made absolute
    /// A text of several lines, or a reference.
    void secret_lines(std::string_view key, std::string& target);
    void texts(std::string_view key, std::vector<std::string>& target, const Check& check);
    /// HTTP statuses.
    void statuses(std::string_view key, std::vector<unsigned>& target);
    void map(std::string_view key, std::map<std::string, std::string>& target);
    /// The same, whose values may be references, whose paths are made absolute.
    void secrets(std::string_view key, std::map<std::string, std::string>& target);
    /// A table as TOML writes it, or the text of a JSON object: member -> its JSON.
    void json_members(std::string_view key, std::map<std::string, std::string>& target);

    /// The choice's name; that of `other_names` is understood as well.
    template <class T>
    void choice(std::string_view key, T& target, const std::vector<std::pair<std::string_view, T>>& choices,
                const std::vector<std::pair<std::string_view, T>>& other_names = {})
    {
        std::string expected;
        for (const auto& [name, value] : choices)
            expected += (expected.empty() ? "\"" : ", \"") + std::string{name} + '"';
        const auto* node = find(key);
        if (node == nullptr)
            return;
        const auto text = node->value_exact<std::string>();
        for (const auto* names : {&choices, &other_names})
            for (const auto& [name, value] : *names)
                if (text == name) {
                    target = value;
                    return;
                }
        refuse(key, *node, "one of " + expected);
    }

    /// The value of `key`, which the caller takes apart itself; null when it is not there.
    const toml::node* find(std::string_view key);

    void refuse(std::string_view key, const toml::node& node, const std::string& expected);
    std::string full_name(std::string_view key) const;

  private:
    /// Nothing when it was refused.
    std::optional<std::string> checked_text(std::string_view key, const toml::node& node, const Check& check,
                                            std::string_view example = {});
    void seconds_from(std::string_view key, Seconds& target, bool zero_allowed);

    ConfigReader& reader_;
    const toml::table* table_;
    std::string name_;
};

/// A ConfigTable::Check each.
Result<void> not_empty(const std::string& text);
Result<void> proxy_setting(const std::string& text);

/// Reads `[[upstreams]]`.
void read_upstreams(ConfigReader& reader, ConfigTable& root, std::vector<UpstreamDefinition>& upstreams);

/// Reads every table of the file. What was refused has its default: `reader` knows.
Settings read_settings(ConfigReader& reader, const toml::table& file);

/// What `read` makes of the file's table, unless TOML's parser or `reader` found something wrong.
template <class T, class Read>
ReadResult<T> parse_toml(std::string_view text, const ConfigReader& reader, Read read)
{
    try {
        auto result = read(toml::parse(text, reader.file()));
        if (reader.refused() > 0)
            return reader.errors();
        return ReadResult<T>{boost::system::in_place_value, std::move(result)};
    } catch (const toml::parse_error& error) {
        return ConfigErrors{
            {reader.file(), error.source().begin.line, {}, std::string{error.description()}, {}}};
    }
}

}  // namespace route
