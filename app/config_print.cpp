#include "app/config_print.hpp"

#include <fmt/format.h>

#include <iterator>

#include "app/config_values.hpp"
#include "app/json_text.hpp"
#include "app/secrets.hpp"

namespace route {
namespace {

/// JSON's escapes are a subset of those of TOML's basic strings.
std::string toml_string(std::string_view text)
{
    fmt::memory_buffer out;
    append_json_string(out, text);
    return fmt::to_string(out);
}

std::string masked(const std::string& secret)
{
    return secret.empty() ? secret : mask_key(secret);
}

/// Whoever knows a webhook's path may post to it.
std::string masked_webhook(const std::string& url)
{
    if (url.empty() || is_secret_reference(url))
        return url;
    const auto scheme = url.find("://");
    const auto path = url.find('/', scheme == std::string::npos ? 0 : scheme + 3);
    return path == std::string::npos ? mask_url(url) : mask_url(url.substr(0, path)) + "/…";
}

/// Writes the tables and keys in the order of the calls.
class Writer
{
  public:
    void table(std::string_view name) { line("{}[{}]\n", text_.empty() ? "" : "\n", name); }
    void entry(std::string_view name) { line("\n[[{}]]\n", name); }

    void put(std::string_view key, std::string_view value) { line("{} = {}\n", key, toml_string(value)); }
    void put(std::string_view key, bool value) { line("{} = {}\n", key, value); }
    void put(std::string_view key, int value) { line("{} = {}\n", key, value); }
    void put(std::string_view key, unsigned value) { line("{} = {}\n", key, value); }
    void put(std::string_view key, Seconds value) { line("{} = {}\n", key, value.count()); }
    void put(std::string_view key, const std::vector<std::string>& values)
    {
        line("{} = {}\n", key, list(values));
    }
    void put_size(std::string_view key, std::uint64_t value)
    {
        put(key, std::string_view{format_size(value)});
    }

    void put_raw(std::string_view key, std::string_view value) { line("{} = {}\n", key, value); }

    void put_duration(std::string_view key, const std::optional<Seconds>& value)
    {
        put(key, std::string_view{value ? format_duration(*value) : ""});
    }

    std::string take() { return std::move(text_); }

  private:
    template <class... Arguments>
    void line(fmt::format_string<Arguments...> format, Arguments&&... arguments)
    {
        fmt::format_to(std::back_inserter(text_), format, std::forward<Arguments>(arguments)...);
    }

    static std::string list(const std::vector<std::string>& values)
    {
        std::string text = "[";
        for (const auto& value : values)
            text += (text.size() > 1 ? ", " : "") + toml_string(value);
        return text + "]";
    }

    std::string text_;
};

void write(Writer& out, const ServerSettings& server)
{
    out.table("server");
    out.put("listen", server.listen);
    out.put("threads", server.threads);
    out.put_size("max_body", server.max_body);
    out.put_size("max_buffered", server.max_buffered);
    out.put("header_timeout", server.header_timeout);
    out.put("body_timeout", server.body_timeout);
    out.put("keep_alive", server.keep_alive);
    out.put("drain", server.drain);
    out.put("trusted_proxies", server.trusted_proxies);
    out.put("certificate", server.certificate);
    out.put("private_key", server.private_key);
}

void write(Writer& out, const AuthSettings& auth)
{
    std::string keys = "[";
    for (const auto& key : auth.keys)
        keys += fmt::format("{}{{ name = {}, key = {} }}", keys.size() > 1 ? ", " : "", toml_string(key.name),
                            toml_string(masked(key.key)));
    out.table("auth");
    out.put("enabled", auth.enabled);
    out.put_raw("keys", keys + "]");
}

void write(Writer& out, const SecretSettings& secrets)
{
    out.table("secrets");
    out.put("directory", secrets.directory);
    out.put("env", secrets.env);
}

void write(Writer& out, const TimeoutSettings& timeouts)
{
    out.table("timeouts");
    out.put("default", timeouts.default_);
    out.put("stream", timeouts.stream);
    out.put("large_body", timeouts.large_body);
    out.put_size("large_body_over", timeouts.large_body_over);
    out.put("single", timeouts.single);
    out.put("connect", timeouts.connect);
    out.put("idle", timeouts.idle);
}

void write(Writer& out, const FailoverSettings& failover)
{
    out.table("failover");
    out.put("order", std::string_view{failover.order == UpstreamOrder::random ? "random" : "priority"});
    out.put("total", failover.total);
    out.put("cooldown", failover.cooldown);
    out.put("cooldown_after", failover.cooldown_after);
    out.put_size("reply_buffer", failover.reply_buffer);
    out.put("commit_after", failover.commit_after);
}

void write(Writer& out, const UpstreamSettings& upstream)
{
    out.table("upstream");
    out.put("idle_connections", upstream.idle_connections);
    out.put("idle_timeout", upstream.idle_timeout);
    out.put("ca_file", upstream.ca_file);
    out.put("proxy", mask_url(upstream.proxy));
}

std::string_view name_of(Backend backend)
{
    switch (backend) {
        case Backend::sqlite:
            return "sqlite";
        case Backend::postgres:
            return "postgres";
        case Backend::none:
            break;
    }
    return "none";
}

void write(Writer& out, const StorageSettings& storage)
{
    out.table("storage");
    out.put("backend", name_of(storage.backend));
    out.put("sqlite", storage.sqlite);
    out.put("postgres", mask_url(storage.postgres));
    out.put("postgres_connections", storage.postgres_connections);
    out.put("outbox", storage.outbox);
}

void write(Writer& out, const RecordSettings& records)
{
    out.table("records");
    out.put("request_body", records.request_body);
    out.put_size("max_request_body", records.max_request_body);
    out.put("response", records.response);
    out.put_size("max_response", records.max_response);
    out.put_size("queue", records.queue);
    out.put("durability", std::string_view{records.durability == Durability::commit ? "commit" : "batch"});
    out.put("flush", records.flush);
    out.put_duration("retention", records.retention);
    out.put_duration("body_retention", records.body_retention);
}

void write(Writer& out, const NotifySettings& notify)
{
    out.table("notify");
    out.put("window", notify.window);
    out.put("feishu_webhook", masked_webhook(notify.feishu_webhook));
    out.put("feishu_secret", masked(notify.feishu_secret));
    out.put("matrix_homeserver", mask_url(notify.matrix_homeserver));
    out.put("matrix_room", notify.matrix_room);
    out.put("matrix_token", masked(notify.matrix_token));
}

void write(Writer& out, const UpstreamDefinition& upstream)
{
    std::string rename = "{";
    for (const auto& [from, to] : upstream.rename)
        rename += fmt::format("{} {} = {}", rename.size() > 1 ? "," : "", toml_string(from), toml_string(to));
    out.entry("upstreams");
    out.put("name", upstream.name);
    out.put("endpoint", upstream.endpoint);
    out.put("sk", masked(upstream.sk));
    out.put("priority", upstream.priority);
    out.put("weight", upstream.weight);
    if (upstream.timeout)
        out.put("timeout", *upstream.timeout);
    if (upstream.stream_timeout)
        out.put("stream_timeout", *upstream.stream_timeout);
    out.put("allow", upstream.allow);
    out.put("deny", upstream.deny);
    out.put_raw("rename", rename + " }");
    out.put("proxy", mask_url(upstream.proxy));
    out.put("enabled", upstream.enabled);
}

}  // namespace

std::string print_settings(const Settings& settings)
{
    Writer out;
    write(out, settings.server);
    write(out, settings.auth);
    write(out, settings.secrets);
    write(out, settings.timeouts);
    write(out, settings.failover);
    write(out, settings.upstream);
    write(out, settings.storage);
    write(out, settings.records);
    write(out, settings.notify);
    out.table("metrics");
    out.put("path", settings.metrics.path);
    out.put("auth", settings.metrics.auth);
    out.table("log");
    out.put("level", settings.log.level);
    out.put("format", std::string_view{settings.log.format == LogFormat::json ? "json" : "text"});
    for (const auto& upstream : settings.upstreams)
        write(out, upstream);
    return out.take();
}

}  // namespace route
