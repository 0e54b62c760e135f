#pragma once

#include <boost/asio/ip/address.hpp>
#include <memory>
#include <vector>

#include "core/client_key.hpp"
#include "core/failover/candidates.hpp"
#include "core/net/transport/network.hpp"
#include "core/net/transport/outbound_proxy.hpp"
#include "core/net/transport/tls_client.hpp"
#include "core/net/transport/tls_server.hpp"
#include "core/openai/json_members.hpp"
#include "core/secret_eraser.hpp"
#include "core/settings.hpp"

namespace route::net {

/// Everything a request needs to know that can change while the program runs: immutable, replaced whole,
/// shared by all loops.
struct RoutingTable
{
    Settings settings;
    Upstreams upstreams;           ///< enabled ones, by priority, then id
    bool rules_on_models = false;  ///< an upstream has allow, deny or rename
    MemberNames changed_members;   ///< of bodies: what an upstream sets or unsets
    SecretEraser secrets;          ///< keys, secret headers and proxy credentials of all upstreams
    std::vector<ClientKey> keys;
    std::shared_ptr<TlsClient> tls;
    std::shared_ptr<const TlsServer> tls_server;  ///< null: clients speak plain HTTP
    EnvironmentProxies proxies;
    std::vector<Network> trusted;  ///< proxies whose X-Forwarded-For is believed
};

using RoutingTablePtr = std::shared_ptr<const RoutingTable>;

/// Gives the upstream the proxy and the key of its connections. The table's settings, TLS client and proxies
/// must be in place.
void find_path(Upstream& upstream, const RoutingTable& table);

/// Adds its key, its headers that are secret, and the credentials of its proxy.
void add_secrets(SecretEraser& secrets, const Upstream& upstream);

/// Puts `upstream` behind those that are there, with its path, and its secrets among the table's. The table's
/// settings, TLS client and proxies must be in place.
void add_upstream(RoutingTable& table, Upstream upstream);

/// Parses `server.trusted_proxies` into the table; a single address counts as a network of one. Refuses what
/// is neither.
Result<void> set_trusted_proxies(RoutingTable& table, const std::vector<std::string>& networks);

/// An address in words; one of IPv4 inside IPv6 as that of IPv4.
std::string address_text(const boost::asio::ip::address& address);

/// The client's address: the peer's, unless that is a trusted proxy: then the last address in X-Forwarded-For
/// that is not.
std::string client_address(const RoutingTable& table, const boost::asio::ip::address& peer,
                           std::string_view forwarded_for);

}  // namespace route::net
