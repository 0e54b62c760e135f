#pragma once

#include <cstdint>
#include <optional>
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
    /// "/v1", without a trailing slash; an endpoint without a path means "/v1". With `{model}` at `model_at`
    /// where the model of each request goes.
    std::string base_path;
    std::size_t model_at = std::string::npos;
    std::string query;      ///< of each request, without its '?'; "" for none
    std::string authority;  ///< value of the Host field (RFC 9110 7.2): the scheme's own port is left out
    std::string origin;     ///< scheme and authority: where its connections lead
};

/// What stands in an endpoint's path for the model.
constexpr std::string_view model_place = "{model}";

/// Takes `http://HOST[:PORT][/PATH][?QUERY]` or https; `{model}` may stand once in the path. User
/// information, fragment, control characters, dot segments, other schemes, and a query that seems to hold a
/// key are refused. An empty path or "/" becomes "/v1"; trailing slashes go; percent-encoding stays as it is.
/// The reason quotes nothing of the URL, which may hold a password.
Result<Endpoint> parse_endpoint(std::string_view url);

/// Whether the endpoint's path can name that model; any without `{model}` can.
bool can_name(const Endpoint& endpoint, const std::optional<std::string>& model);

/// Appends its path to `out`, the model in it as one segment, or a part of one (RFC 3986 3.3).
void append_base_path(std::string& out, const Endpoint& endpoint, std::string_view model);

/// Appends the query of a request that goes there: the endpoint's, then of `query`, which has its '?' or is
/// empty, the parameters that the endpoint has not.
void append_query(std::string& out, const Endpoint& endpoint, std::string_view query);

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
