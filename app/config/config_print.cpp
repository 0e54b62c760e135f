#include "app/config/config_print.hpp"

#include <fmt/format.h>

#include "app/config/config_values.hpp"
#include "app/config/secrets.hpp"
#include "app/config/toml_writer.hpp"

namespace route {
namespace {

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
    if (scheme == std::string::npos)
        return masked(url);
    const auto begin = scheme + 3;
    const auto end = std::min(url.find_first_of("/?#", begin), url.size());
    const auto user = url.rfind('@', end);
    const bool has_user = user != std::string::npos && user >= begin;
    return url.substr(0, begin) + (has_user ? "…@" : "") +
           url.substr(has_user ? user + 1 : begin, end - (has_user ? user + 1 : begin)) +
           (end < url.size() ? "/…" : "");
}

void write(TomlWriter& out, const ServerSettings& server)
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
    out.put("handover", server.handover);
    out.put("trusted_proxies", server.trusted_proxies);
    out.put("certificate", server.certificate);
    out.put("private_key", server.private_key);
}

void write(TomlWriter& out, const AuthSettings& auth)
{
    std::string keys = "[";
    for (const auto& key : auth.keys)
        keys += fmt::format("{}{{ name = {}, key = {} }}", keys.size() > 1 ? ", " : "", toml_string(key.name),
                            toml_string(masked(key.key)));
    out.table("auth");
    out.put("enabled", auth.enabled);
    out.put_raw("keys", keys + "]");
}

void write(TomlWriter& out, const SecretSettings& secrets)
{
    out.table("secrets");
    out.put("directory", secrets.directory);
    out.put("env", secrets.env);
}

void write(TomlWriter& out, const TimeoutSettings& timeouts)
{
    out.table("timeouts");
    out.put("default", timeouts.default_);
    out.put("stream", timeouts.stream);
    out.put("large_body", timeouts.large_body);
    out.put_size("large_body_over", timeouts.large_body_over);
    out.put("single", timeouts.single);
    out.put("connect", timeouts.connect);
    out.put("idle", timeouts.idle);
    out.put("first_content", timeouts.first_content);
}

void write(TomlWriter& out, const FailoverSettings& failover)
{
    out.table("failover");
    out.put("order", to_string(failover.order));
    out.put("total", failover.total);
    out.put("cooldown", failover.cooldown);
    out.put("cooldown_after", failover.cooldown_after);
    out.put_size("reply_buffer", failover.reply_buffer);
    out.put("commit", std::string_view{failover.commit == Commit::complete ? "complete" : "content"});
    out.put("commit_after", failover.commit_after);
    out.put("retries", failover.retries);
    out.put("retry_wait", failover.retry_wait);
    out.put("rounds", failover.rounds);
    out.put_raw("final_statuses", fmt::format("[{}]", fmt::join(failover.final_statuses, ", ")));
    out.put("hedge_after", failover.hedge_after);
    out.put("keep_alive", failover.keep_alive);
    out.put("sticky", failover.sticky);
}

void write(TomlWriter& out, const UpstreamSettings& upstream)
{
    out.table("upstream");
    out.put("idle_connections", upstream.idle_connections);
    out.put("idle_timeout", upstream.idle_timeout);
    out.put("ca_file", upstream.ca_file);
    out.put("proxy", mask_proxy(upstream.proxy));
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

void write(TomlWriter& out, const StorageSettings& storage)
{
    out.table("storage");
    out.put("backend", name_of(storage.backend));
    out.put("sqlite", storage.sqlite);
    out.put("postgres", mask_url(storage.postgres));
    out.put("postgres_connections", storage.postgres_connections);
    out.put("outbox", storage.outbox);
}

void write(TomlWriter& out, const RecordSettings& records)
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
    if (records.max_database)
        out.put_size("max_database", *records.max_database);
    else
        out.put("max_database", std::string_view{});
}

void write(TomlWriter& out, const NotifySettings& notify)
{
    out.table("notify");
    out.put("window", notify.window);
    out.put("feishu_webhook", masked_webhook(notify.feishu_webhook));
    out.put("feishu_secret", masked(notify.feishu_secret));
    out.put("matrix_homeserver", masked_webhook(notify.matrix_homeserver));
    out.put("matrix_room", notify.matrix_room);
    out.put("matrix_token", masked(notify.matrix_token));
    out.put("webhook", masked_webhook(notify.webhook));
    out.put("webhook_body", masked(notify.webhook_body));
}

}  // namespace

std::string print_settings(const Settings& settings)
{
    TomlWriter out;
    write(out, settings.server);
    write(out, settings.auth);
    write(out, settings.secrets);
    write(out, settings.timeouts);
    write(out, settings.failover);
    write(out, settings.upstream);
    write(out, settings.storage);
    write(out, settings.records);
    write(out, settings.notify);
    out.table("models");
    out.put("list", std::string_view{settings.models.list == ModelListing::of_first ? "first" : "union"});
    out.table("metrics");
    out.put("path", settings.metrics.path);
    out.put("auth", settings.metrics.auth);
    out.table("log");
    out.put("level", settings.log.level);
    out.put("format", std::string_view{settings.log.format == LogFormat::json ? "json" : "text"});
    for (const auto& upstream : settings.upstreams)
        write_upstream(out, upstream,
                       {masked(upstream.sk), mask_proxy(upstream.proxy), mask_headers(upstream.headers)});
    return out.take();
}

}  // namespace route
