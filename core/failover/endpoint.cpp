#include "core/failover/endpoint.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <boost/url/encode.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <boost/url/url_view.hpp>
#include <charconv>
#include <optional>

#include "core/failover/upstream.hpp"
#include "core/failover/upstream_header.hpp"
#include "core/http/query_facts.hpp"
#include "core/text.hpp"

namespace route {

namespace {

namespace urls = boost::urls;

std::string lower_case(std::string_view text)
{
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return result;
}

/// Letters, digits, '-', '.' and '_' (which names in private networks do have): RFC 3986 allows far more than
/// resolves.
bool host_name(std::string_view name)
{
    constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyz0123456789-._";
    return !name.empty() && name.size() <= 253 && name.find_first_not_of(allowed) == name.npos;
}

/// Without the brackets of IPv6; nothing when it is none.
std::optional<std::string> read_host(const urls::url_view& url)
{
    const std::string_view text = url.encoded_host();
    if (text.find('%') != text.npos)  // encoded names and IPv6 zones
        return std::nullopt;
    auto host = lower_case(text);
    if (url.host_type() == urls::host_type::ipv6)
        return host.substr(1, host.size() - 2);
    if (url.host_type() == urls::host_type::ipvfuture || !host_name(host))
        return std::nullopt;
    return host;
}

/// Nothing for a port that is empty or out of range, `otherwise` when the URL names none.
std::optional<std::uint16_t> read_port(const urls::url_view& url, std::uint16_t otherwise)
{
    if (!url.has_port())
        return otherwise;
    // Boost.URL's own number of one that is too large may be another port.
    const std::string_view digits = url.port();
    std::uint16_t port = 0;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (failed != std::errc{} || end != digits.data() + digits.size() || port == 0)
        return std::nullopt;
    return port;
}

/// "." and "..", encoded or not: what they would lead to is not what was written. Boost.URL leaves some of
/// them out of its segments, so the text is read.
bool has_dot_segment(std::string_view path)
{
    auto text = lower_case(path);
    for (auto at = text.find("%2e"); at != text.npos; at = text.find("%2e", at))
        text.replace(at, 3, 1, '.');
    text += '/';
    return text.find("/./") != text.npos || text.find("/../") != text.npos;
}

std::string base_path(const urls::url_view& url)
{
    const std::string_view encoded = url.encoded_path();
    std::string path{encoded};
    path.resize(path.find_last_not_of('/') + 1);
    return path.empty() ? "/v1" : path;
}

/// The parameter at the beginning of `rest`, which is left what follows it.
std::string_view take_parameter(std::string_view& rest)
{
    const auto end = std::min(rest.find('&'), rest.size());
    const auto parameter = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return parameter;
}

/// As its reader takes it.
std::string name_of_parameter(std::string_view parameter)
{
    constexpr std::size_t longest = 256;
    return percent_decoded(parameter.substr(0, parameter.find('=')), longest);
}

bool has_parameter(std::string_view query, std::string_view name)
{
    while (!query.empty())
        if (name_of_parameter(take_parameter(query)) == name)
            return true;
    return false;
}

/// By its names; some readers part them by semicolons.
bool holds_key(std::string_view query)
{
    while (!query.empty()) {
        const auto end = std::min(query.find_first_of("&;?"), query.size());
        const auto name = name_of_parameter(query.substr(0, end));
        query.remove_prefix(std::min(end + 1, query.size()));
        if (names_credential(name) || equal_ignoring_case(name, "sig") || equal_ignoring_case(name, "code"))
            return true;
    }
    return false;
}

}  // namespace

Result<Endpoint> parse_endpoint(std::string_view written)
{
    // The place of the model is no character of a URL: others stand there while it is read.
    constexpr std::string_view stand_in = "_model_";
    static_assert(stand_in.size() == model_place.size());
    std::string text{written};
    const auto place = text.find(model_place);
    if (place != text.npos) {
        text.replace(place, stand_in.size(), stand_in);
        if (text.find(model_place) != text.npos)
            return Invalid{"expected {model} only once in the URL"};
    }
    const auto parsed = urls::parse_uri(boost::core::string_view{text.data(), text.size()});
    if (!parsed || !parsed->has_authority())
        return Invalid{"expected a URL such as https://HOST/v1"};
    const auto& url = *parsed;
    if (url.scheme_id() != urls::scheme::http && url.scheme_id() != urls::scheme::https)
        return Invalid{"expected a URL that begins with http:// or https://"};
    if (url.has_userinfo())
        return Invalid{"expected a URL without user information"};
    if (url.has_fragment())
        return Invalid{"expected a URL without fragment"};
    const std::string_view query = url.encoded_query();
    if (holds_key(query))
        return Invalid{"expected a URL without a key in its query: sk and headers are the places for keys"};
    // Boost.URL 1.81 takes what follows the digits of a port for a path.
    if (!url.encoded_path().empty() && !url.encoded_path().starts_with('/'))
        return Invalid{"expected a port from 1 to 65535 in the URL"};
    if (has_dot_segment(url.encoded_path()))
        return Invalid{"expected a URL without dot segments in its path"};

    Endpoint endpoint;
    endpoint.tls = url.scheme_id() == urls::scheme::https;
    const std::uint16_t usual_port = endpoint.tls ? 443 : 80;
    const auto host = read_host(url);
    const auto port = read_port(url, usual_port);
    if (!host)
        return Invalid{"expected a host name or an IP address in the URL"};
    if (!port)
        return Invalid{"expected a port from 1 to 65535 in the URL"};
    endpoint.host = *host;
    endpoint.port = *port;
    endpoint.base_path = base_path(url);
    endpoint.query = query;
    if (place != text.npos) {
        const auto path_begin = static_cast<std::size_t>(url.encoded_path().data() - text.data());
        if (place < path_begin || place >= path_begin + url.encoded_path().size())
            return Invalid{"expected {model} only in the path of the URL"};
        endpoint.model_at = place - path_begin;
        endpoint.base_path.replace(endpoint.model_at, model_place.size(), model_place);
    }
    const std::string_view encoded_host = url.encoded_host();
    endpoint.authority = lower_case(encoded_host);
    if (endpoint.port != usual_port)
        endpoint.authority.append(1, ':').append(std::to_string(endpoint.port));
    endpoint.origin = (endpoint.tls ? "https://" : "http://") + endpoint.authority;
    return endpoint;
}

bool can_name(const Endpoint& endpoint, const std::optional<std::string>& model)
{
    if (endpoint.model_at == std::string::npos)
        return true;
    // Encoding leaves dots as they are.
    return model && !model->empty() && *model != "." && *model != "..";
}

void append_base_path(std::string& out, const Endpoint& endpoint, std::string_view model)
{
    const std::string_view path = endpoint.base_path;
    out.append(path.substr(0, endpoint.model_at));
    if (endpoint.model_at == path.npos)
        return;
    out.append(urls::encode({model.data(), model.size()}, urls::unreserved_chars));
    out.append(path.substr(endpoint.model_at + model_place.size()));
}

void append_query(std::string& out, const Endpoint& endpoint, std::string_view query)
{
    if (endpoint.query.empty()) {
        out.append(query);
        return;
    }
    out.append("?").append(endpoint.query);
    if (query.starts_with('?'))
        query.remove_prefix(1);
    while (!query.empty()) {
        const auto parameter = take_parameter(query);
        if (!has_parameter(endpoint.query, name_of_parameter(parameter)))
            out.append("&").append(parameter);
    }
}

std::string mask_endpoint(std::string_view url)
{
    if (url.empty() || parse_endpoint(url).has_value())
        return std::string{url};
    const auto scheme = url.find("://");
    if (scheme == url.npos)
        return mask_key(url);  // it may be the key, put in the wrong place
    std::string shown{url.substr(0, scheme + 3)};
    url.remove_prefix(scheme + 3);
    // A password may hold what should be encoded in it, '/' and '?' included: the last '@' ends it.
    if (const auto at = url.rfind('@'); at != url.npos) {
        shown += "…";
        url.remove_prefix(at);
    }
    const auto query = std::min(url.find_first_of("?#;"), url.size());
    shown += url.substr(0, query);
    for (url.remove_prefix(query); !url.empty();) {
        const auto end = std::min(url.find_first_of("?#;&", 1), url.size());
        const auto equals = url.substr(0, end).find('=');
        shown += url.substr(0, equals == url.npos ? 1 : equals + 1);
        shown += "…";
        url.remove_prefix(end);
    }
    return shown;
}

Result<ProxyEndpoint> parse_proxy(std::string_view text)
{
    Invalid refused{"expected http://[USER:PASSWORD@]HOST:PORT"};
    const auto parsed = urls::parse_uri(boost::core::string_view{text.data(), text.size()});
    if (!parsed || parsed->scheme_id() != urls::scheme::http || !parsed->has_authority())
        return refused;
    const auto& url = *parsed;
    const std::string_view path = url.encoded_path();
    if (url.has_query() || url.has_fragment() || !url.has_port() || (!path.empty() && path != "/"))
        return refused;
    const auto host = read_host(url);
    const auto port = read_port(url, 0);
    if (!host || !port)
        return refused;

    ProxyEndpoint proxy{*host, *port, {}};
    if (url.has_userinfo())
        proxy.user_info = url.userinfo();
    return proxy;
}

Result<void> check_proxy(std::string_view setting)
{
    if (!setting.empty() && setting != direct)
        if (const auto proxy = parse_proxy(setting); !proxy)
            return Invalid{proxy.error().reason + " or " + std::string{direct}};
    return {};
}

std::string proxy_authorization(const ProxyEndpoint& proxy)
{
    if (proxy.user_info.empty())
        return {};
    auto credentials = proxy.user_info;
    if (credentials.find(':') == credentials.npos)
        credentials += ':';
    std::string encoded((credentials.size() + 2) / 3 * 4 + 1,
                        '\0');  // EVP_EncodeBlock writes a NUL behind it
    const auto size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                      reinterpret_cast<const unsigned char*>(credentials.data()),
                                      static_cast<int>(credentials.size()));
    encoded.resize(static_cast<std::size_t>(size));
    return "Basic " + encoded;
}

}  // namespace route
