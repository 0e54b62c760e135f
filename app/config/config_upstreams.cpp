// The [[upstreams]] of the configuration file, and those of a file to be imported.
#include <fmt/format.h>

#include <set>

#include "app/config/config_table.hpp"
#include "app/config/config_values.hpp"
#include "app/config/endpoint_advice.hpp"
#include "app/config/secrets.hpp"
#include "app/upstream_file.hpp"

namespace route {
namespace {

constexpr auto expected_key = R"(expected a key, "env:NAME", "file:PATH" or "asis")";

void read(ConfigTable table, UpstreamDefinition& upstream)
{
    table.text("name", upstream.name, [](const std::string& name) -> Result<void> {
        if (!valid_upstream_name(name))
            return Invalid{"1 to 64 of A-Z a-z 0-9 . _ -, not all digits"};
        return {};
    });
    table.text(
        "endpoint", upstream.endpoint,
        [](const std::string& url) -> Result<void> {
            if (const auto endpoint = parse_endpoint(url); endpoint.has_error())
                return Invalid{"http:// or https:// with a host: " + endpoint.error().reason};
            if (const auto base = endpoint_without_api(url))
                return Invalid{*base + ": the path of each request is appended to it"};
            return {};
        },
        "https://api.openai.com/v1");
    table.secret("sk", upstream.sk);
    table.integer("priority", upstream.priority, -most_priority_or_weight, most_priority_or_weight);
    table.integer("weight", upstream.weight, 0, most_priority_or_weight);
    table.seconds("timeout", upstream.timeout);
    table.seconds("stream_timeout", upstream.stream_timeout);
    table.texts("allow", upstream.allow, not_empty);
    table.texts("deny", upstream.deny, not_empty);
    table.map("rename", upstream.rename);
    table.integer("retries", upstream.retries, 0, most_tries);
    table.seconds_or_zero("first_content_timeout", upstream.first_content_timeout);
    table.seconds_or_zero("hedge_after", upstream.hedge_after);
    table.integer("max_in_flight", upstream.max_in_flight, 0, most_priority_or_weight);
    table.secrets("headers", upstream.headers);
    table.json_members("set", upstream.set);
    table.texts("unset", upstream.unset, not_empty);
    table.text("key_header", upstream.key_header, {}, "api-key");
    table.secret("proxy", upstream.proxy, proxy_setting);
    table.flag("enabled", upstream.enabled);
}

/// What an entry without `sk` means.
enum class WithoutKey
{
    refused,
    key_stays
};

FiledUpstream read_entry(ConfigReader& reader, const toml::node& node, WithoutKey without)
{
    FiledUpstream filed;
    filed.line = node.source().begin.line;
    const auto refused = reader.refused();
    const auto* entry = node.as_table();
    if (entry == nullptr) {
        reader.refuse("upstreams", filed.line, "expected [[upstreams]] tables");
        return filed;
    }
    read(ConfigTable{reader, entry, "upstreams"}, filed.definition);
    reader.refuse_unknown(*entry, "upstreams");
    const auto* sk = entry->get("sk");
    if (sk != nullptr && filed.definition.sk.empty())
        reader.refuse("upstreams.sk", sk->source().begin.line, expected_key);
    if (sk == nullptr && without == WithoutKey::refused)
        reader.refuse("upstreams.sk", filed.line, expected_key);
    filed.has_proxy = entry->contains("proxy");
    filed.has_headers = entry->contains("headers");
    if (reader.refused() > refused)
        return filed;
    auto checked = filed.definition;
    if (sk == nullptr)
        checked.sk = "the-stored-one";  // all else is checked
    if (const auto made = make_upstream(checked, unresolved_secrets(), nullptr); made.has_error())
        reader.refuse("upstreams", filed.line, made.error().reason);
    return filed;
}

std::vector<FiledUpstream> read_entries(ConfigReader& reader, ConfigTable& root, WithoutKey without)
{
    UpstreamDefinition unused;
    read(ConfigTable{reader, nullptr, "upstreams"}, unused);
    std::vector<FiledUpstream> entries;
    const auto* node = root.find("upstreams");
    if (node == nullptr)
        return entries;
    if (!node->is_array()) {
        root.refuse("upstreams", *node, "[[upstreams]] tables");
        return entries;
    }
    for (const auto& element : *node->as_array())
        entries.push_back(read_entry(reader, element, without));
    return entries;
}

void refuse_equal_names(ConfigReader& reader, const std::vector<FiledUpstream>& entries)
{
    std::set<std::string> names;
    for (const auto& entry : entries)
        if (const auto& name = entry.definition.name; !name.empty() && !names.insert(name).second)
            reader.refuse("upstreams.name", entry.line, "expected a name no other entry has");
}

}  // namespace

void read_upstreams(ConfigReader& reader, ConfigTable& root, std::vector<UpstreamDefinition>& upstreams)
{
    auto entries = read_entries(reader, root, WithoutKey::refused);
    for (auto& entry : entries) {
        auto& definition = entry.definition;
        reader.found(fmt::format("upstreams[{}]", upstreams.size()), entry.line);
        if (definition.name.empty())
            definition.name = fmt::format("file-{}", upstreams.size() + 1);
        upstreams.push_back(definition);
    }
    refuse_equal_names(reader, entries);
}

ReadResult<std::vector<FiledUpstream>> parse_upstreams(std::string_view text, const std::string& file)
{
    ConfigReader reader{file, {}};
    return parse_toml<std::vector<FiledUpstream>>(text, reader, [&](const toml::table& table) {
        ConfigTable root{reader, &table, ""};
        auto entries = read_entries(reader, root, WithoutKey::key_stays);
        refuse_equal_names(reader, entries);
        reader.refuse_unknown(table, "");
        return entries;
    });
}

}  // namespace route
