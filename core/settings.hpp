#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/failover/upstream.hpp"

namespace route {

/// The values of openai-api-route.toml, defaults included. Sizes in bytes, paths absolute.
struct ServerSettings
{
    std::string listen = ":8888";
    unsigned threads = 0;  ///< 0: one event loop per core
    std::uint64_t max_body = 64ull << 20;
    std::uint64_t max_buffered = 1ull << 30;
    Seconds header_timeout{15};
    Seconds body_timeout{60};
    Seconds keep_alive{75};
    Seconds drain{120};
    bool handover = false;  ///< beside another router on the same address, which is to drain
    std::vector<std::string> trusted_proxies;  ///< CIDRs
    std::string certificate;
    std::string private_key;
    bool operator==(const ServerSettings&) const = default;
};

/// A client key of the configuration file: `"woshimima"` or `{ name = "alice", key = "env:ALICE_KEY" }`.
struct ConfiguredKey
{
    std::string name;
    std::string key;  ///< plain or a reference
    bool operator==(const ConfiguredKey&) const = default;
};

struct AuthSettings
{
    bool enabled = true;
    std::vector<ConfiguredKey> keys;
    bool operator==(const AuthSettings&) const = default;
};

/// What `env:` and `file:` in the database may name; those of the configuration file are the operator's own
/// and unrestricted.
struct SecretSettings
{
    std::string directory;
    std::vector<std::string> env;
    bool operator==(const SecretSettings&) const = default;
};

/// Where to listen: HOST:PORT taken apart.
struct ListenAddress
{
    std::string host;  ///< an address, without brackets, or a name; "": all interfaces, IPv4 and IPv6
    std::uint16_t port = 0;
};

struct TimeoutSettings
{
    Seconds default_{60};
    Seconds stream{5};
    Seconds large_body{20};
    std::uint64_t large_body_over = 128ull << 10;
    Seconds single{120};
    Seconds connect{5};
    Seconds idle{300};
    Seconds first_content{0};  ///< 0: no limit
    bool operator==(const TimeoutSettings&) const = default;
};

enum class UpstreamOrder
{
    priority,
    random,
    least_busy,
    fastest,
};

constexpr std::string_view to_string(UpstreamOrder order)
{
    switch (order) {
        case UpstreamOrder::priority:
            break;
        case UpstreamOrder::random:
            return "random";
        case UpstreamOrder::least_busy:
            return "least_busy";
        case UpstreamOrder::fastest:
            return "fastest";
    }
    return "priority";
}

/// When a stream is committed.
enum class Commit
{
    content,   ///< at its first content
    complete,  ///< once it is whole
};

/// Tries of one upstream in a row beyond the first, and rounds of the list.
constexpr int most_tries = 100;

struct FailoverSettings
{
    UpstreamOrder order = UpstreamOrder::priority;
    Seconds total{0};  ///< 0: no limit
    Seconds cooldown{30};
    int cooldown_after = 3;
    std::uint64_t reply_buffer = 1ull << 20;
    Commit commit = Commit::content;
    Seconds commit_after{10};
    int retries = 0;  ///< further tries of the same upstream
    Seconds retry_wait{3};
    int rounds = 1;  ///< through the list of upstreams
    std::vector<unsigned> final_statuses;
    Seconds hedge_after{0};           ///< 0: never
    Seconds keep_alive{0};            ///< 0: never
    std::vector<std::string> sticky;  ///< what makes a session: session_key()
    bool operator==(const FailoverSettings&) const = default;
};

inline bool is_final_status(const FailoverSettings& failover, unsigned status)
{
    const auto& all = failover.final_statuses;
    return std::find(all.begin(), all.end(), status) != all.end();
}

struct UpstreamSettings
{
    unsigned idle_connections = 64;  ///< kept open per upstream and thread
    Seconds idle_timeout{30};
    std::string ca_file;  ///< "": the system's
    std::string proxy;
    bool operator==(const UpstreamSettings&) const = default;
};

enum class Backend
{
    sqlite,
    postgres,
    none
};

struct StorageSettings
{
    Backend backend = Backend::sqlite;
    std::string sqlite = "db.sqlite";
    std::string postgres = "postgresql://localhost/openai_api_route";
    unsigned postgres_connections = 4;
    std::string outbox = "outbox.sqlite";
    bool operator==(const StorageSettings&) const = default;
};

enum class Durability
{
    batch,
    commit
};

struct RecordSettings
{
    bool request_body = true;
    std::uint64_t max_request_body = 512ull << 10;
    bool response = true;
    std::uint64_t max_response = 512ull << 10;
    std::uint64_t queue = 256ull << 20;
    Durability durability = Durability::batch;
    unsigned flush = 50;                        ///< milliseconds
    std::optional<Seconds> retention;           ///< none: keep all
    std::optional<Seconds> body_retention;      ///< none: keep bodies
    std::optional<std::uint64_t> max_database;  ///< bytes; none: no limit
    bool operator==(const RecordSettings&) const = default;
};

struct NotifySettings
{
    unsigned window = 60;  ///< seconds
    std::string feishu_webhook;
    std::string feishu_secret;
    std::string matrix_homeserver;
    std::string matrix_room;
    std::string matrix_token;
    std::string webhook;
    std::string webhook_body;  ///< template of what is sent there; "": the document
    bool operator==(const NotifySettings&) const = default;
};

/// What `GET /v1/models` is answered with.
enum class ModelListing
{
    of_all,    ///< one list of what all upstreams have
    of_first,  ///< the reply of the first one
};

struct ModelSettings
{
    ModelListing list = ModelListing::of_all;
    bool operator==(const ModelSettings&) const = default;
};

struct MetricsSettings
{
    std::string path = "/v1/metrics";
    bool auth = false;
    bool operator==(const MetricsSettings&) const = default;
};

enum class LogFormat
{
    text,
    json
};

struct LogSettings
{
    std::string level = "info";  ///< trace, debug, info, warning, error, off
    LogFormat format = LogFormat::text;
    bool operator==(const LogSettings&) const = default;
};

struct Settings
{
    ServerSettings server;
    AuthSettings auth;
    SecretSettings secrets;
    TimeoutSettings timeouts;
    FailoverSettings failover;
    UpstreamSettings upstream;
    StorageSettings storage;
    RecordSettings records;
    NotifySettings notify;
    ModelSettings models;
    MetricsSettings metrics;
    LogSettings log;
    std::vector<UpstreamDefinition> upstreams;
    bool operator==(const Settings&) const = default;
};

}  // namespace route
