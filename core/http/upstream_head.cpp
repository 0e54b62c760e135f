#include "core/http/upstream_head.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/http/field_lines.hpp"
#include "core/http/websocket.hpp"

namespace route {

using boost::beast::http::field;

namespace {

/// Names without a number of their own among those that no upstream gets to see. SDKs send many names that
/// begin with "x-": these are told apart by their third character.
bool private_name(std::string_view name)
{
    constexpr char to_lower = 0x20;
    if (name.size() < 3)
        return false;
    switch (name[0] | to_lower) {
        case 'a':
            return equal_ignoring_case(name, "api-key");
        case 'c':
            return starts_with_ignoring_case(name, "cf-");
        case 't':
            return equal_ignoring_case(name, "true-client-ip");
        case 'x':
            break;
        default:
            return false;
    }
    switch (name[2] | to_lower) {
        case 'a':
            return equal_ignoring_case(name, "x-api-key");
        case 'f':
            return starts_with_ignoring_case(name, "x-forwarded-");
        case 'r':
            return equal_ignoring_case(name, "x-real-ip") || equal_ignoring_case(name, "x-route-commit");
        default:
            return false;
    }
}

/// Fields of the client that no upstream gets to see, the known ones by their number.
bool kept_from_upstream(const HeaderField& header)
{
    switch (header.id) {
        case field::authorization:
        case field::proxy_authorization:
        case field::cookie:
        case field::cookie2:
        case field::expect:
        case field::forwarded:
        case field::accept_encoding:
        case field::host:
            return true;
        case field::unknown:
            return private_name(header.name);
        default:
            return false;
    }
}

/// The credentials of a client beside Authorization, the first of which goes on where there are several.
constexpr std::array<std::string_view, 2> key_fields{"x-api-key", "api-key"};

/// The field whose value is the client's key: Authorization, else the first of the others; "" when none is
/// there.
std::string_view credential_field(const HeaderFields& fields)
{
    if (!find_field(fields, field::authorization).empty())
        return "authorization";
    for (const auto name : key_fields)
        if (!find_field(fields, name).empty())
            return name;
    return {};
}

/// Whether the upstream has that header of its own, if only to withhold it.
bool decides_on(const Upstream& upstream, std::string_view name)
{
    return std::any_of(upstream.headers.begin(), upstream.headers.end(),
                       [&](const UpstreamHeader& own) { return equal_ignoring_case(own.name, name); });
}

/// The client's fields that an upstream gets to see; of `asis` its credentials among them. `protocol_key`
/// replaces a key among WebSocket protocols.
void write_passed_fields(std::string& out, const HeaderFields& fields, const Upstream& upstream,
                         std::string_view protocol_key)
{
    const bool own_key = upstream.asis;
    const bool has_own = !upstream.headers.empty() || !upstream.key_header.empty();
    LineWriter lines{out};
    const auto nominations = nominated_fields(fields);
    // One credential goes on: of two, one is for this router.
    const auto credential = own_key ? credential_field(fields) : std::string_view{};
    for (const auto& header : fields) {
        // Before anything the client may say of it: its key is not passed on, the upstream's is, once.
        if (header.id == field::sec_websocket_protocol && !own_key) {
            const bool holds_key = key_among_protocols(header.value).has_value();
            add_protocols(lines, header, holds_key ? std::exchange(protocol_key, {}) : std::string_view{});
            continue;
        }
        if (!nominations.empty() && nominated(nominations, header.name))
            continue;
        if (has_own &&
            (decides_on(upstream, header.name) || equal_ignoring_case(header.name, upstream.key_header)))
            continue;
        const bool key = own_key && equal_ignoring_case(header.name, credential);
        if (key || (!hop_by_hop(header) && !kept_from_upstream(header)))
            lines.add(header);
    }
}

/// What follows the endpoint's path in a request's target.
struct RestOfTarget
{
    std::string_view path;
    std::string_view query;
    std::string_view model = {};  ///< for an endpoint that has a place for it
};

/// The upstream's key, in its own field, else where the client put its own.
void write_key(std::string& out, KeyPlace place, const Upstream& upstream)
{
    std::string_view name = upstream.key_header;
    if (name.empty() && place == KeyPlace::x_api_key)
        name = "x-api-key";
    else if (name.empty() && place == KeyPlace::api_key)
        name = "api-key";
    else if (name.empty())
        name = "Authorization";
    if (decides_on(upstream, name))
        return;
    out.append(name).append(equal_ignoring_case(name, "Authorization") ? ": Bearer " : ": ");
    out.append(upstream.key).append("\r\n");
}

void write_request_begin(std::string& out, std::string_view method, const Endpoint& endpoint,
                         bool absolute_form, const RestOfTarget& rest)
{
    out.append(method).append(" ");
    if (absolute_form)
        out.append(endpoint.origin);
    append_base_path(out, endpoint, rest.model);
    out.append(rest.path);
    append_query(out, endpoint, rest.query);
    out.append(" HTTP/1.1\r\n");
    write_field(out, "Host", endpoint.authority);
}

/// All fields but those of an upgrade.
void write_request_end(std::string& out, std::string_view proxy_authorization,
                       const std::optional<std::uint64_t>& body_bytes)
{
    if (!proxy_authorization.empty())
        write_field(out, "Proxy-Authorization", proxy_authorization);
    out.append("Accept-Encoding: identity\r\n");
    if (body_bytes)
        write_number_field(out, "Content-Length", *body_bytes);
}

}  // namespace

void write_upstream_head(std::string& out, const UpstreamRequest& request, const Upstream& upstream)
{
    constexpr std::string_view prefix = "/v1";
    const bool absolute_form = upstream.via && !upstream.endpoint.tls && !request.upgrade_websocket;
    write_request_begin(out, request.method, upstream.endpoint, absolute_form,
                        {request.path.substr(prefix.size()), request.query, request.model});
    const bool among_protocols = request.key_place == KeyPlace::websocket_protocol &&
                                 upstream.key_header.empty() && may_be_protocol(upstream.key);
    write_passed_fields(out, request.fields, upstream, among_protocols ? upstream.key : std::string_view{});
    if (!upstream.asis && !among_protocols)
        write_key(out, request.key_place, upstream);
    for (const auto& own : upstream.headers)
        if (!own.value.empty())
            write_field(out, own.name, own.value);
    write_request_end(out, absolute_form ? upstream.proxy_authorization : std::string_view{},
                      request.body_bytes);
    if (request.upgrade_websocket)
        out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
    out.append("\r\n");
}

void write_own_request_head(std::string& out, const OwnRequest& request, const Endpoint& endpoint,
                            const std::optional<ProxyEndpoint>& proxy, std::string_view proxy_authorization)
{
    const bool absolute_form = proxy && !endpoint.tls;
    write_request_begin(out, request.method, endpoint, absolute_form, {{}, request.query});
    for (const auto& [name, value] : request.fields)
        write_field(out, name, value);
    write_request_end(out, absolute_form ? proxy_authorization : std::string_view{}, request.body_bytes);
    out.append("\r\n");
}

}  // namespace route
