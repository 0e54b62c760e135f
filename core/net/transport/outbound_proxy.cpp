#include "core/net/transport/outbound_proxy.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <charconv>

#include "core/net/transport/network.hpp"
#include "core/text.hpp"

namespace route::net {

namespace ip = boost::asio::ip;
using boost::system::error_code;

namespace {

Result<std::optional<ProxyEndpoint>> parse_variable(const char* name, std::string_view value)
{
    std::optional<ProxyEndpoint> none;
    value = trim(value);
    if (value.empty())
        return none;
    std::string url{value};
    if (url.find("://") == std::string::npos)
        url.insert(0, "http://");
    auto proxy = parse_proxy(url);
    if (!proxy)
        return Invalid{std::string{name} + " of the environment: " + proxy.error().reason};
    return std::optional<ProxyEndpoint>{*std::move(proxy)};
}

bool is_below(std::string_view host, std::string_view domain)
{
    if (host.size() <= domain.size())
        return equal_ignoring_case(host, domain);
    const auto tail = host.substr(host.size() - domain.size());
    return host[host.size() - domain.size() - 1] == '.' && equal_ignoring_case(tail, domain);
}

/// Cuts `:PORT` off; whether it fits or there is none. An IPv6 address without brackets has colons, no port.
bool port_fits(std::string_view& entry, std::uint16_t port)
{
    const auto colon = entry.rfind(':');
    const bool bracketed = entry.starts_with('[');
    if (bracketed) {
        const auto end = entry.find(']');
        if (end == entry.npos)
            return false;
        const auto rest = entry.substr(end + 1);
        entry = entry.substr(1, end - 1);
        return rest.empty() || rest == ":" + std::to_string(port);
    }
    if (colon == entry.npos || entry.find(':') != colon)
        return true;
    const auto wanted = entry.substr(colon + 1);
    entry = entry.substr(0, colon);
    return wanted == std::to_string(port);
}

bool entry_fits(std::string_view entry, const Endpoint& endpoint)
{
    if (entry == "*")
        return true;
    if (entry.empty() || !port_fits(entry, endpoint.port))
        return false;
    error_code error;
    const auto address = ip::make_address(endpoint.host, error);
    if (!error) {
        const auto network = Network::parse(entry);
        return network && network->contains(address);
    }
    if (entry.starts_with("*."))
        entry.remove_prefix(1);
    if (entry.starts_with('.'))
        entry.remove_prefix(1);
    return !entry.empty() && is_below(endpoint.host, entry);
}

bool is_this_machine(const std::string& host)
{
    error_code error;
    const auto address = ip::make_address(host, error);
    return error ? host == "localhost" : address.is_loopback();
}

}  // namespace

Result<EnvironmentProxies> EnvironmentProxies::parse(std::string_view http, std::string_view https,
                                                     std::string_view exempt)
{
    auto for_http = parse_variable("HTTP_PROXY", http);
    if (!for_http)
        return for_http.error();
    auto for_https = parse_variable("HTTPS_PROXY", https);
    if (!for_https)
        return for_https.error();
    return EnvironmentProxies{*std::move(for_http), *std::move(for_https), std::string{exempt}};
}

bool is_exempt(std::string_view exempt, const Endpoint& endpoint)
{
    while (!exempt.empty()) {
        const auto comma = std::min(exempt.find(','), exempt.size());
        if (entry_fits(trim(exempt.substr(0, comma)), endpoint))
            return true;
        exempt.remove_prefix(std::min(comma + 1, exempt.size()));
    }
    return false;
}

std::optional<ProxyEndpoint> choose_proxy(const Endpoint& endpoint, std::string_view own,
                                          std::string_view configured, const EnvironmentProxies& environment)
{
    const auto decided = own.empty() ? configured : own;
    if (decided == direct)
        return std::nullopt;
    if (!decided.empty()) {
        auto proxy = parse_proxy(decided);
        return proxy ? std::optional<ProxyEndpoint>{*std::move(proxy)} : std::nullopt;
    }
    if (is_this_machine(endpoint.host) || is_exempt(environment.exempt, endpoint))
        return std::nullopt;
    return endpoint.tls ? environment.https : environment.http;
}

}  // namespace route::net
