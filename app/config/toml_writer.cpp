#include "app/config/toml_writer.hpp"

#include "app/config/config_values.hpp"
#include "app/json_text.hpp"
#include "core/openai/json_members.hpp"

namespace route {

/// JSON's escapes are a subset of those of TOML's basic strings; DEL is the one character only TOML escapes.
std::string toml_string(std::string_view text)
{
    fmt::memory_buffer out;
    append_json_string(out, text);
    auto quoted = fmt::to_string(out);
    for (auto at = quoted.find('\x7f'); at != std::string::npos; at = quoted.find('\x7f', at))
        quoted.replace(at, 1, "\\u007f");
    return quoted;
}

void TomlWriter::put(std::string_view key, const std::vector<std::string>& values)
{
    std::string list = "[";
    for (const auto& value : values)
        list += (list.size() > 1 ? ", " : "") + toml_string(value);
    put_raw(key, list + "]");
}

void TomlWriter::put(std::string_view key, const std::map<std::string, std::string>& values)
{
    std::string table = "{";
    for (const auto& [name, value] : values)
        table +=
            fmt::format("{} {} = {}", table.size() > 1 ? "," : "", toml_string(name), toml_string(value));
    put_raw(key, table + " }");
}

void TomlWriter::put_size(std::string_view key, std::uint64_t bytes)
{
    put(key, std::string_view{format_size(bytes)});
}

void TomlWriter::put_duration(std::string_view key, const std::optional<Seconds>& value)
{
    put(key, std::string_view{value ? format_duration(*value) : ""});
}

namespace {

/// Only those that are not as they are by themselves.
void write_needs(TomlWriter& out, const UpstreamDefinition& upstream,
                 const std::optional<std::map<std::string, std::string>>& headers)
{
    if (upstream.retries)
        out.put("retries", *upstream.retries);
    if (upstream.first_content_timeout)
        out.put("first_content_timeout", *upstream.first_content_timeout);
    if (upstream.hedge_after)
        out.put("hedge_after", *upstream.hedge_after);
    if (upstream.max_in_flight > 0)
        out.put("max_in_flight", upstream.max_in_flight);
    if (headers)
        out.put("headers", *headers);
    if (!upstream.set.empty())
        out.put("set", std::string_view{write_members(upstream.set)});
    if (!upstream.unset.empty())
        out.put("unset", upstream.unset);
    if (!upstream.key_header.empty())
        out.put("key_header", std::string_view{upstream.key_header});
}

}  // namespace

void write_upstream(TomlWriter& out, const UpstreamDefinition& upstream, const WrittenSecrets& secrets)
{
    out.entry("upstreams");
    out.put("name", effective_name(upstream));
    out.put("endpoint", mask_endpoint(upstream.endpoint));
    if (secrets.sk)
        out.put("sk", *secrets.sk);
    out.put("priority", upstream.priority);
    out.put("weight", upstream.weight);
    if (upstream.timeout)
        out.put("timeout", *upstream.timeout);
    if (upstream.stream_timeout)
        out.put("stream_timeout", *upstream.stream_timeout);
    out.put("allow", upstream.allow);
    out.put("deny", upstream.deny);
    out.put("rename", upstream.rename);
    write_needs(out, upstream, secrets.headers);
    if (secrets.proxy)
        out.put("proxy", *secrets.proxy);
    out.put("enabled", upstream.enabled);
}

}  // namespace route
