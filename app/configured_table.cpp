#include "app/configured_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "app/channels.hpp"
#include "app/config/config_values.hpp"
#include "app/config/secrets.hpp"

namespace route {
namespace {

ConfigError error_of(std::string key, std::string problem)
{
    return ConfigError{{}, 0, std::move(key), std::move(problem), {}};
}

/// A variable of the environment that is known in lower and in upper case; the former wins, as with curl.
std::string_view variable(std::string name)
{
    const auto* value = std::getenv(name.c_str());
    if (value == nullptr || *value == '\0') {
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
        value = std::getenv(name.c_str());
    }
    return value == nullptr ? std::string_view{} : std::string_view{value};
}

/// Adds the key to `secrets`, too: whoever sends it somewhere else than as a credential shows it to nobody.
ConfigResult<ClientKey> file_key(const Settings& settings, std::size_t index, SecretEraser& secrets)
{
    const auto& configured = settings.auth.keys[index];
    const auto key = unrestricted_secrets()(configured.key);
    if (!key)
        return error_of(fmt::format("auth.keys[{}]", index), configured.name + ": " + key.error().reason);
    secrets.add(*key);
    return ClientKey{0, configured.name, hash_key(*key), {}};
}

ConfigResult<void> set_proxies(net::RoutingTable& table)
{
    if (const auto set = net::set_trusted_proxies(table, table.settings.server.trusted_proxies); !set)
        return error_of("server.trusted_proxies", set.error().reason);
    return {};
}

ConfigResult<void> set_certificate(net::RoutingTable& table)
{
    const auto& server = table.settings.server;
    if (server.certificate.empty())
        return {};
    auto tls = net::TlsServer::make(server.certificate, server.private_key);
    if (!tls)
        return error_of("server.certificate", tls.error().reason);
    table.tls_server = *std::move(tls);
    return {};
}

}  // namespace

ConfigResult<ListenAddress> listen_address(const Settings& settings)
{
    auto address = parse_listen(settings.server.listen);
    if (!address)
        return error_of("server.listen", "expected " + address.error().reason);
    if (address->host == "localhost")
        address->host = "127.0.0.1";
    if (!address->host.empty() && !net::is_address(address->host))
        return error_of("server.listen",
                        "expected an IP address before the port in '" + settings.server.listen + "'");
    return *std::move(address);
}

Result<net::EnvironmentProxies> environment_proxies()
{
    return net::EnvironmentProxies::parse(variable("http_proxy"), variable("https_proxy"),
                                          variable("no_proxy"));
}

ConfigResult<void> set_outbound(net::RoutingTable& table)
{
    auto& upstream = table.settings.upstream;
    auto tls = net::TlsClient::make(upstream.ca_file);
    if (!tls)
        return error_of("upstream.ca_file", tls.error().reason);
    table.tls = *std::move(tls);
    if (!upstream.proxy.empty()) {
        auto proxy = unrestricted_secrets()(upstream.proxy);
        const auto usable = proxy ? check_proxy(*proxy) : proxy.error();
        if (!usable)
            return error_of("upstream.proxy", usable.error().reason);
        upstream.proxy = *std::move(proxy);
        return {};
    }
    auto proxies = environment_proxies();
    if (!proxies)
        return error_of("upstream.proxy",
                        proxies.error().reason + fmt::format(R"(; "{}" uses none)", direct));
    table.proxies = *std::move(proxies);
    return {};
}

ConfigResult<std::shared_ptr<net::RoutingTable>> configured_table(const Settings& settings,
                                                                  const net::RoutingTable* before)
{
    auto table = std::make_shared<net::RoutingTable>();
    table->settings = settings;
    for (std::size_t i = 0; i < settings.auth.keys.size(); ++i) {
        auto key = file_key(settings, i, table->secrets);
        if (!key)
            return key.error();
        table->keys.push_back(*std::move(key));
    }
    if (const auto set = set_proxies(*table); !set)
        return set.error();
    if (before != nullptr) {
        table->tls = before->tls;
        table->tls_server = before->tls_server;
        table->proxies = before->proxies;
        table->settings.upstream.proxy = before->settings.upstream.proxy;
        return table;
    }
    if (const auto outbound = set_outbound(*table); !outbound)
        return outbound.error();
    if (const auto set = set_certificate(*table); !set)
        return set.error();
    return table;
}

std::vector<ConfigError> check_for_serving(const Configuration& configuration)
{
    const auto& settings = configuration.settings;
    std::vector<ConfigError> errors;
    const auto check = [&](const auto& result) {
        if (!result)
            errors.push_back(located(result.error(), configuration));
    };
    net::RoutingTable table;
    table.settings = settings;
    check(listen_address(settings));
    for (std::size_t i = 0; i < settings.auth.keys.size(); ++i)
        check(file_key(settings, i, table.secrets));
    check(set_proxies(table));
    check(set_outbound(table));
    check(set_certificate(table));
    check(make_channels(settings.notify));
    return errors;
}

std::vector<ConfigError> unusable_upstreams(const Configuration& configuration)
{
    std::vector<ConfigError> errors;
    const auto& upstreams = configuration.settings.upstreams;
    for (std::size_t i = 0; i < upstreams.size(); ++i) {
        const auto& definition = upstreams[i];
        const auto made = make_upstream(definition, unrestricted_secrets(), nullptr);
        if (!made && definition.enabled)
            errors.push_back(located(error_of(fmt::format("upstreams[{}]", i),
                                              effective_name(definition) + ": " + made.error().reason),
                                     configuration));
    }
    return errors;
}

ConfigError located(ConfigError error, const Configuration& configuration)
{
    const auto& lines = configuration.lines;
    const auto key = error.key.substr(0, error.key.find('['));
    auto line = lines.find(error.key);
    if (line == lines.end())
        line = lines.find(key);
    error.file = configuration.file;
    error.line = line == lines.end() ? 0 : line->second;
    error.key = key;
    return error;
}

}  // namespace route
