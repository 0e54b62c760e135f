#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace route {

/// Where an upstream listens, taken apart once so that no request parses a URL.
struct Endpoint
{
    bool tls = false;
    std::string host;  ///< lower case, for connecting and SNI: no brackets around IPv6
    std::uint16_t port = 0;
    std::string base_path;  ///< "/v1", without a trailing slash; an endpoint without a path means "/v1"
    std::string authority;  ///< value of the Host field (RFC 9110 7.2): the scheme's own port is left out
    std::string origin;     ///< scheme and authority: where its connections lead
};

/// Takes `http://HOST[:PORT][/PATH]` or https. User information, query, fragment, control characters, dot
/// segments and other schemes are refused. An empty path or "/" becomes "/v1"; trailing slashes go;
/// percent-encoding stays as it is. The reason quotes nothing of the URL, which may hold a password.
Result<Endpoint> parse_endpoint(std::string_view url);

/// An endpoint as written, fit to be shown. One that parse_endpoint() takes holds no secret; of another one
/// user information, the values of the query and the fragment become `…`, and what is no URL is masked as a
/// key.
std::string mask_endpoint(std::string_view url);

/// An HTTP proxy: asked with CONNECT for https, with the absolute form of a request (RFC 9112 3.2.2) for
/// http.
struct ProxyEndpoint
{
    std::string host;  ///< lower case, no brackets around IPv6
    std::uint16_t port = 0;
    std::string user_info;  ///< "user:password", percent-decoded; "" for none
};

/// Takes `http://[USER:PASSWORD@]HOST:PORT`, with or without a slash at its end. The reason quotes nothing of
/// the URL.
Result<ProxyEndpoint> parse_proxy(std::string_view url);

/// The word that stands, as the setting `proxy`, for none at all, the environment's neither.
constexpr std::string_view direct = "direct";

/// Refuses a setting `proxy` that is neither empty nor `direct` nor the URL of one.
Result<void> check_proxy(std::string_view setting);

/// Value of Proxy-Authorization (RFC 7617): `Basic …`; "" for a proxy without user.
std::string proxy_authorization(const ProxyEndpoint& proxy);

}  // namespace route
