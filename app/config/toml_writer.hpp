#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/failover/upstream.hpp"

namespace route {

/// `text`, which has to be UTF-8, as a TOML string with its quotes.
std::string toml_string(std::string_view text);

/// Writes tables and keys in the order of the calls.
class TomlWriter
{
  public:
    void table(std::string_view name) { line("{}[{}]\n", text_.empty() ? "" : "\n", name); }
    void entry(std::string_view name) { line("{}[[{}]]\n", text_.empty() ? "" : "\n", name); }
    void comment(std::string_view text) { line("# {}\n", text); }

    void put(std::string_view key, std::string_view value) { put_raw(key, toml_string(value)); }
    void put(std::string_view key, bool value) { line("{} = {}\n", key, value); }
    void put(std::string_view key, int value) { line("{} = {}\n", key, value); }
    void put(std::string_view key, unsigned value) { line("{} = {}\n", key, value); }
    void put(std::string_view key, Seconds value) { line("{} = {}\n", key, value.count()); }
    void put(std::string_view key, const std::vector<std::string>& values);
    void put(std::string_view key, const std::map<std::string, std::string>& values);
    void put_size(std::string_view key, std::uint64_t bytes);
    void put_duration(std::string_view key, const std::optional<Seconds>& value);
    void put_raw(std::string_view key, std::string_view value) { line("{} = {}\n", key, value); }

    std::string take() { return std::move(text_); }

  private:
    template <class... Arguments>
    void line(fmt::format_string<Arguments...> format, Arguments&&... arguments)
    {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
    }

    std::string text_;
};

/// What of an upstream may be secret, as it is to be written; what is not given is left out.
struct WrittenSecrets
{
    std::optional<std::string> sk;
    std::optional<std::string> proxy;
    std::optional<std::map<std::string, std::string>> headers;
};

/// A `[[upstreams]]` entry.
void write_upstream(TomlWriter& out, const UpstreamDefinition& upstream, const WrittenSecrets& secrets);

}  // namespace route
