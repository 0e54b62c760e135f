#include "core/net/loop/routing_table.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "core/net/transport/destination.hpp"
#include "core/net/transport/proxy_secrets.hpp"

namespace route::net {

namespace ip = boost::asio::ip;

namespace {

ip::address unmapped(const ip::address& address)
{
    if (address.is_v6() && address.to_v6().is_v4_mapped())
        return ip::make_address_v4(ip::v4_mapped, address.to_v6());
    return address;
}

bool trusted(const RoutingTable& table, const ip::address& address)
{
    return std::any_of(table.trusted.begin(), table.trusted.end(),
                       [&](const Network& network) { return network.contains(address); });
}

}  // namespace

void find_path(Upstream& upstream, const RoutingTable& table)
{
    auto path = path_to(upstream.endpoint, upstream.proxy, table.settings.upstream.proxy, table.proxies,
                        table.tls.get());
    upstream.via = std::move(path.proxy);
    upstream.proxy_authorization = std::move(path.proxy_authorization);
    upstream.pool_key = path.pool_key;
}

void add_secrets(SecretEraser& secrets, const Upstream& upstream)
{
    if (!upstream.asis)
        secrets.add(upstream.key);
    for (const auto& header : upstream.headers)
        if (header.secret) {
            secrets.add(header.value);
            // "Bearer KEY", "Basic …": without its scheme, too.
            secrets.add(std::string_view{header.value}.substr(header.value.rfind(' ') + 1));
        }
    for (const auto& secret : proxy_secrets(upstream))
        secrets.add(secret);
}

void add_upstream(RoutingTable& table, Upstream upstream)
{
    find_path(upstream, table);
    add_secrets(table.secrets, upstream);
    table.rules_on_models = table.rules_on_models || !upstream.allow.empty() || !upstream.deny.empty() ||
                            !upstream.rename.empty() || upstream.endpoint.model_at != std::string::npos;
    for (const auto& [name, value] : upstream.set)
        table.changed_members.insert(name);
    table.changed_members.insert(upstream.unset.begin(), upstream.unset.end());
    table.upstreams.push_back(std::make_shared<const Upstream>(std::move(upstream)));
}

Result<void> set_trusted_proxies(RoutingTable& table, const std::vector<std::string>& networks)
{
    for (const auto& text : networks) {
        const auto network = Network::parse(text);
        if (!network)
            return Invalid{"'" + text + "' is no network such as 10.0.0.0/8"};
        table.trusted.push_back(*network);
    }
    return {};
}

std::string address_text(const ip::address& address)
{
    return unmapped(address).to_string();
}

std::string client_address(const RoutingTable& table, const ip::address& peer, std::string_view forwarded_for)
{
    auto client = unmapped(peer);
    while (!forwarded_for.empty() && trusted(table, client)) {
        const auto comma = forwarded_for.rfind(',');
        auto last = comma == std::string_view::npos ? forwarded_for : forwarded_for.substr(comma + 1);
        forwarded_for = comma == std::string_view::npos ? std::string_view{} : forwarded_for.substr(0, comma);
        const auto begin = last.find_first_not_of(" \t");
        if (begin == std::string_view::npos)
            break;
        last = last.substr(begin, last.find_last_not_of(" \t") - begin + 1);
        boost::system::error_code error;
        const auto address = ip::make_address(std::string{last}, error);
        if (error)
            break;
        client = unmapped(address);
    }
    return client.to_string();
}

}  // namespace route::net
