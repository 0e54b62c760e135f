#include <fmt/format.h>

#include "app/config/config_table.hpp"
#include "app/config/config_values.hpp"
#include "app/config/secrets.hpp"
#include "core/failover/endpoint.hpp"
#include "core/openai/session_key.hpp"
#include "storage/open.hpp"

namespace route {
namespace {

Result<void> expect(bool valid, const char* expected)
{
    if (!valid)
        return Invalid{expected};
    return {};
}

void read(ConfigTable table, ServerSettings& server)
{
    table.text(
        "listen", server.listen,
        [](const std::string& text) -> Result<void> {
            const auto address = parse_listen(text);
            return expect(address.has_value(), "HOST:PORT, :PORT or [IPV6]:PORT");
        },
        ":8888");
    table.integer("threads", server.threads, 1024);
    table.size("max_body", server.max_body, 1);
    table.size("max_buffered", server.max_buffered, 1);
    table.seconds("header_timeout", server.header_timeout);
    table.seconds("body_timeout", server.body_timeout);
    table.seconds_or_zero("keep_alive", server.keep_alive);
    table.seconds_or_zero("drain", server.drain);
    table.flag("handover", server.handover);
    table.texts("trusted_proxies", server.trusted_proxies, [](const std::string& text) {
        return expect(valid_network(text), R"(address ranges such as "10.0.0.0/8")");
    });
    table.path("certificate", server.certificate);
    table.path("private_key", server.private_key);
}

/// `"KEY"` or `{ name = …, key = … }`.
ConfiguredKey read_key(ConfigReader& reader, ConfigTable& auth, const toml::node& node, std::size_t number)
{
    constexpr auto expected =
        R"("KEY" or { name = "NAME", key = "KEY" }, the key visible and without blanks)";
    ConfiguredKey key{fmt::format("config-{}", number), {}};
    if (const auto text = node.value_exact<std::string>()) {
        key.key = reader.absolute_reference(*text);
    } else if (const auto* entry = node.as_table()) {
        ConfigTable table{reader, entry, "auth.keys"};
        table.text("name", key.name, [](const std::string& name) {
            return expect(valid_key_name(name), "a name of at most 64 bytes");
        });
        table.secret("key", key.key);
        reader.refuse_unknown(*entry, "auth.keys");
    }
    // The path of a reference may hold blanks.
    if (key.key.empty() || has_control_characters(key.key) ||
        (!key.key.starts_with("file:") && !valid_client_key(key.key)))
        auth.refuse("keys", node, expected);
    return key;
}

void read(ConfigReader& reader, ConfigTable table, AuthSettings& auth)
{
    table.flag("enabled", auth.enabled);
    const auto* keys = table.find("keys");
    ConfigTable{reader, nullptr, "auth.keys"}.find("name");
    ConfigTable{reader, nullptr, "auth.keys"}.find("key");
    if (keys == nullptr)
        return;
    if (!keys->is_array())
        return table.refuse("keys", *keys, "a list of keys");
    for (const auto& node : *keys->as_array()) {
        reader.found(fmt::format("auth.keys[{}]", auth.keys.size()), node.source().begin.line);
        auth.keys.push_back(read_key(reader, table, node, auth.keys.size() + 1));
    }
}

void read(ConfigTable table, SecretSettings& secrets)
{
    table.path("directory", secrets.directory);
    table.texts("env", secrets.env, [](const std::string& text) {
        return expect(valid_variable_name(text), "names of environment variables");
    });
}

void read(ConfigTable table, TimeoutSettings& timeouts)
{
    table.seconds("default", timeouts.default_);
    table.seconds("stream", timeouts.stream);
    table.seconds("large_body", timeouts.large_body);
    table.size("large_body_over", timeouts.large_body_over, 0);
    table.seconds("single", timeouts.single);
    table.seconds("connect", timeouts.connect);
    table.seconds("idle", timeouts.idle);
    table.seconds_or_zero("first_content", timeouts.first_content);
}

/// More comments than that are no help.
constexpr Seconds least_keep_alive{0.1};

void read(ConfigTable table, FailoverSettings& failover)
{
    std::vector<std::pair<std::string_view, UpstreamOrder>> orders;
    for (const auto order :
         {UpstreamOrder::priority, UpstreamOrder::random, UpstreamOrder::least_busy, UpstreamOrder::fastest})
        orders.emplace_back(to_string(order), order);
    table.choice("order", failover.order, orders);
    table.seconds_or_zero("total", failover.total);
    table.seconds_or_zero("cooldown", failover.cooldown);
    table.integer("cooldown_after", failover.cooldown_after, 0, 1'000'000);
    table.size("reply_buffer", failover.reply_buffer, 0);
    table.choice("commit", failover.commit, {{"content", Commit::content}, {"complete", Commit::complete}});
    table.seconds_or_zero("commit_after", failover.commit_after);
    table.integer("retries", failover.retries, 0, most_tries);
    table.seconds_or_zero("retry_wait", failover.retry_wait);
    table.integer("rounds", failover.rounds, 1, most_tries);
    table.texts("sticky", failover.sticky, [](const std::string& text) {
        return expect(valid_session_source(text), R"(members of the body such as "user", or "header:NAME")");
    });
    if (const auto* sticky = table.find("sticky");
        sticky != nullptr && !failover.sticky.empty() && failover.order == UpstreamOrder::priority)
        table.refuse("sticky", *sticky, R"(another failover.order: with "priority" all go the same way)");
    table.statuses("final_statuses", failover.final_statuses);
    table.seconds_or_zero("hedge_after", failover.hedge_after);
    table.seconds_or_zero("keep_alive", failover.keep_alive);
    if (const auto* keep_alive = table.find("keep_alive");
        keep_alive != nullptr && failover.keep_alive > Seconds{0} && failover.keep_alive < least_keep_alive)
        table.refuse("keep_alive", *keep_alive, "0, or at least 0.1 seconds");
}

void read(ConfigTable table, UpstreamSettings& upstream)
{
    table.integer("idle_connections", upstream.idle_connections, 65536);
    table.seconds_or_zero("idle_timeout", upstream.idle_timeout);
    table.path("ca_file", upstream.ca_file);
    table.secret("proxy", upstream.proxy, proxy_setting);
}

constexpr auto postgres_url_expected =
    "postgresql://…, special characters of user and password percent-encoded";

void read(ConfigTable table, StorageSettings& storage)
{
    table.choice("backend", storage.backend,
                 {{"sqlite", Backend::sqlite}, {"postgres", Backend::postgres}, {"none", Backend::none}});
    table.path("sqlite", storage.sqlite, not_empty);
    table.text(
        "postgres", storage.postgres,
        [](const std::string& text) {
            return expect(is_postgres_url(text) && has_encoded_user(text), postgres_url_expected);
        },
        "postgresql://localhost/openai_api_route");
    table.integer("postgres_connections", storage.postgres_connections, 1000,
                  storage::least_postgres_connections);
    table.path("outbox", storage.outbox, not_empty);
}

void read(ConfigTable table, RecordSettings& records)
{
    table.flag("request_body", records.request_body);
    table.size("max_request_body", records.max_request_body, 0);
    table.flag("response", records.response);
    table.size("max_response", records.max_response, 0);
    table.size("queue", records.queue, 1);
    table.choice("durability", records.durability,
                 {{"batch", Durability::batch}, {"commit", Durability::commit}});
    table.integer("flush", records.flush, 60'000);
    table.duration("retention", records.retention);
    table.duration("body_retention", records.body_retention);
    table.size("max_database", records.max_database, 1);
}

void read(ConfigTable table, ModelSettings& models)
{
    table.choice("list", models.list, {{"union", ModelListing::of_all}, {"first", ModelListing::of_first}});
}

void read(ConfigTable table, NotifySettings& notify)
{
    table.integer("window", notify.window, 86'400);
    table.secret("feishu_webhook", notify.feishu_webhook);
    table.secret("feishu_secret", notify.feishu_secret);
    table.text("matrix_homeserver", notify.matrix_homeserver);
    table.text("matrix_room", notify.matrix_room);
    table.secret("matrix_token", notify.matrix_token);
    table.secret("webhook", notify.webhook);
    table.secret_lines("webhook_body", notify.webhook_body);
}

void read(ConfigTable table, MetricsSettings& metrics)
{
    table.text("path", metrics.path, [](const std::string& text) {
        return expect(text.starts_with('/') && text.find_first_of("?# ") == std::string::npos,
                      R"(a path that begins with "/")");
    });
    table.flag("auth", metrics.auth);
}

void read(ConfigTable table, LogSettings& log)
{
    const auto level = [](std::string_view name) { return std::pair{name, std::string{name}}; };
    table.choice<std::string>(
        "level", log.level,
        {level("trace"), level("debug"), level("info"), level("warning"), level("error"), level("off")},
        {{std::string_view{"warn"}, std::string{"warning"}}});
    table.choice("format", log.format, {{"text", LogFormat::text}, {"json", LogFormat::json}});
}

const toml::table* section(ConfigTable& root, std::string_view name)
{
    const auto* node = root.find(name);
    if (node == nullptr)
        return nullptr;
    if (!node->is_table())
        root.refuse(name, *node, fmt::format("a table [{}]", name));
    return node->as_table();
}

}  // namespace

Result<void> not_empty(const std::string& text)
{
    return expect(!text.empty(), "a string that is not empty");
}

Result<void> proxy_setting(const std::string& text)
{
    if (!is_secret_reference(text) && check_proxy(text).has_error())
        return Invalid{
            fmt::format(R"(http://[USER:PASSWORD@]HOST:PORT, "env:NAME", "file:PATH", "{}" or "")", direct)};
    return {};
}

Settings read_settings(ConfigReader& reader, const toml::table& file)
{
    Settings settings;
    ConfigTable root{reader, &file, ""};
    std::vector<std::pair<const toml::table*, std::string>> sections;
    const auto open = [&](const char* name) {
        sections.emplace_back(section(root, name), name);
        return ConfigTable{reader, sections.back().first, name};
    };
    read(open("server"), settings.server);
    read(reader, open("auth"), settings.auth);
    read(open("secrets"), settings.secrets);
    read(open("timeouts"), settings.timeouts);
    read(open("failover"), settings.failover);
    read(open("upstream"), settings.upstream);
    read(open("storage"), settings.storage);
    read(open("records"), settings.records);
    read(open("notify"), settings.notify);
    read(open("models"), settings.models);
    read(open("metrics"), settings.metrics);
    read(open("log"), settings.log);
    read_upstreams(reader, root, settings.upstreams);
    reader.refuse_unknown(file, "");
    for (const auto& [table, name] : sections)
        if (table != nullptr)
            reader.refuse_unknown(*table, name);
    return settings;
}

}  // namespace route
