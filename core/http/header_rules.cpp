#include "core/http/header_rules.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/beast/http/status.hpp>
#include <iterator>
#include <utility>

#include "core/http/websocket.hpp"
#include "core/text.hpp"

namespace route {

namespace http = boost::beast::http;
using http::field;

namespace {

/// RFC 9110 7.6.1, and the fields of message framing: they belong to one connection.
bool hop_by_hop(const HeaderField& header)
{
    switch (header.id) {
        case field::connection:
        case field::keep_alive:
        case field::proxy_connection:
        case field::proxy_authenticate:
        case field::te:
        case field::trailer:
        case field::transfer_encoding:
        case field::upgrade:
        case field::content_length:
        case field::http2_settings:
            return true;
        default:
            return false;
    }
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix)
{
    return text.size() >= prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

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
            return equal_ignoring_case(name, "x-real-ip");
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

/// Fields of an upstream that speak of its own origin, or that the router sets itself.
bool kept_from_client(const HeaderField& header)
{
    switch (header.id) {
        case field::set_cookie:
        case field::set_cookie2:
        case field::strict_transport_security:
        case field::alt_svc:
            return true;
        case field::unknown:
            return equal_ignoring_case(header.name, "nel") || equal_ignoring_case(header.name, "report-to") ||
                   equal_ignoring_case(header.name, "x-request-id") ||
                   equal_ignoring_case(header.name, "x-upstream-request-id") ||
                   starts_with_ignoring_case(header.name, "access-control-") ||
                   starts_with_ignoring_case(header.name, "x-route-");
        default:
            return starts_with_ignoring_case(header.name, "access-control-");
    }
}

bool less_ignoring_case(std::string_view a, std::string_view b)
{
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                        [&](char x, char y) { return lower(x) < lower(y); });
}

/// Fields named in Connection (RFC 9110 7.6.1), beyond the usual options.
std::vector<std::string_view> nominated_fields(const HeaderFields& fields)
{
    std::vector<std::string_view> names;
    for (const auto& header : fields) {
        if (header.id != field::connection)
            continue;
        auto rest = header.value;
        while (!rest.empty()) {
            const auto comma = rest.find(',');
            auto name = rest.substr(0, comma);
            rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
            const auto begin = name.find_first_not_of(" \t");
            if (begin == std::string_view::npos)
                continue;
            name = name.substr(begin, name.find_last_not_of(" \t") - begin + 1);
            if (!equal_ignoring_case(name, "keep-alive") && !equal_ignoring_case(name, "close"))
                names.push_back(name);
        }
    }
    // Sorted: as many options as fit into a head times as many fields are too many comparisons.
    if (names.size() > 1)
        std::sort(names.begin(), names.end(), less_ignoring_case);
    return names;
}

bool nominated(const std::vector<std::string_view>& names, std::string_view name)
{
    return std::binary_search(names.begin(), names.end(), name, less_ignoring_case);
}

void write_field(std::string& out, std::string_view name, std::string_view value)
{
    out.append(name).append(": ").append(value).append("\r\n");
}

/// Appends field lines; those that follow one another in the head they came from, already written as the
/// router writes them, in one piece.
class LineWriter
{
  public:
    explicit LineWriter(std::string& out) : out_{out} {}
    ~LineWriter() { flush(); }
    LineWriter(const LineWriter&) = delete;
    LineWriter& operator=(const LineWriter&) = delete;

    void add(const HeaderField& header)
    {
        const char* begin = header.name.data();
        const char* colon = begin + header.name.size();
        const bool as_written = header.value.data() == colon + 2 && colon[0] == ':' && colon[1] == ' ' &&
                                header.value.data()[header.value.size()] == '\r';
        if (begin != end_ || !as_written)
            flush();
        if (!as_written) {
            write_field(out_, header.name, header.value);
            return;
        }
        if (begin_ == nullptr)
            begin_ = begin;
        end_ = header.value.data() + header.value.size() + 2;
    }

  private:
    void flush()
    {
        out_.append(begin_, end_);
        begin_ = end_ = nullptr;
    }

    std::string& out_;
    const char* begin_ = nullptr;  ///< of a run of lines, not yet appended
    const char* end_ = nullptr;
};

/// Sec-WebSocket-Protocol with another key among its protocols, or none.
void add_protocols(LineWriter& lines, const HeaderField& header, std::string_view key)
{
    const auto protocols = protocols_with_key(header.value, key);
    if (!protocols.empty())
        lines.add({header.id, header.name, protocols});
}

void write_number_field(std::string& out, std::string_view name, std::uint64_t value)
{
    const fmt::format_int digits{value};
    write_field(out, name, std::string_view{digits.data(), digits.size()});
}

void write_framing(std::string& out, const ReplyFacts& facts)
{
    if (facts.framing == Framing::chunked)
        out.append("Transfer-Encoding: chunked\r\n");
    else if (facts.content_length)
        write_number_field(out, "Content-Length", *facts.content_length);
    if (facts.close || facts.framing == Framing::close)
        out.append("Connection: close\r\n");
    else if (facts.keep_alive_10)
        out.append("Connection: keep-alive\r\n");
}

/// The client's fields that an upstream gets to see; `own_key`: its credentials among them. `protocol_key`
/// replaces a key among WebSocket protocols.
void write_passed_fields(std::string& out, const HeaderFields& fields, bool own_key,
                         std::string_view protocol_key)
{
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
        const bool key = own_key && equal_ignoring_case(header.name, credential);
        if (key || (!hop_by_hop(header) && !kept_from_upstream(header)))
            lines.add(header);
    }
}

/// Fields with which the router answers for the reply; the upstream's own of these names are dropped.
struct Replaced
{
    bool should_retry = false;  ///< x-should-retry: no further try of the client's helps
    bool buffering = false;  ///< X-Accel-Buffering: proxies before the router pass an event stream on at once

    bool drops(const HeaderField& header) const
    {
        return header.id == field::unknown &&
               ((should_retry && equal_ignoring_case(header.name, "x-should-retry")) ||
                (buffering && equal_ignoring_case(header.name, "x-accel-buffering")));
    }
};

Replaced replaced_fields(unsigned status, const HeaderFields& fields, const ReplyFacts& facts)
{
    Replaced replaced;
    replaced.should_retry = (status >= 500 || status == 429) && !facts.untried;
    replaced.buffering =
        starts_with_ignoring_case(find_field(fields, field::content_type), "text/event-stream");
    return replaced;
}

/// The upstream's fields that the client gets to see.
void write_upstream_fields(std::string& out, const HeaderFields& fields, const Replaced& replaced,
                           std::string_view protocol_key)
{
    LineWriter lines{out};
    const auto nominations = nominated_fields(fields);
    for (const auto& header : fields) {
        if (hop_by_hop(header) || (!nominations.empty() && nominated(nominations, header.name)))
            continue;
        if (header.id == field::sec_websocket_protocol)
            add_protocols(lines, header, protocol_key);
        else if (header.id == field::unknown && equal_ignoring_case(header.name, "x-request-id"))
            lines.add({header.id, "x-upstream-request-id", header.value});
        else if (!kept_from_client(header) && !replaced.drops(header))
            lines.add(header);
    }
}

constexpr std::string_view exposed_fields =
    "x-request-id, retry-after, x-route-upstream, x-route-attempts, "
    "x-ratelimit-limit-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-requests, "
    "x-ratelimit-remaining-tokens, "
    "x-ratelimit-reset-requests, x-ratelimit-reset-tokens";

/// `*` stands for no part of a name there (Fetch, "CORS-exposed header-name list"): upstreams' own limits are
/// named one by one.
void write_cors_fields(std::string& out, const HeaderFields& fields)
{
    out.append("Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: ").append(exposed_fields);
    for (const auto& header : fields)
        if (header.id == field::unknown && starts_with_ignoring_case(header.name, "x-ratelimit-") &&
            exposed_fields.find(header.name) == std::string_view::npos)
            out.append(", ").append(header.name);
    out.append("\r\n");
}

void write_status_line(std::string& out, unsigned status, std::string_view reason)
{
    const fmt::format_int digits{status};
    out.append("HTTP/1.1 ").append(digits.data(), digits.size()).append(" ").append(reason).append("\r\n");
}

void write_route_fields(std::string& out, const ReplyFacts& facts)
{
    if (!facts.request_id.empty())
        write_field(out, "x-request-id", facts.request_id);
    if (!facts.upstream_name.empty())
        write_field(out, "x-route-upstream", facts.upstream_name);
    if (facts.attempts > 0)
        write_number_field(out, "x-route-attempts", facts.attempts);
}

/// What follows the endpoint's path in a request's target.
struct RestOfTarget
{
    std::string_view path;
    std::string_view query;
};

void write_request_begin(std::string& out, std::string_view method, const Endpoint& endpoint,
                         bool absolute_form, const RestOfTarget& rest)
{
    out.append(method).append(" ");
    if (absolute_form)
        out.append(endpoint.origin);
    out.append(endpoint.base_path).append(rest.path).append(rest.query).append(" HTTP/1.1\r\n");
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

std::string_view find_field(const HeaderFields& fields, field id)
{
    for (const auto& header : fields)
        if (header.id == id)
            return header.value;
    return {};
}

std::string_view find_field(const HeaderFields& fields, std::string_view name)
{
    for (const auto& header : fields)
        if (equal_ignoring_case(header.name, name))
            return header.value;
    return {};
}

void write_upstream_head(std::string& out, const UpstreamRequest& request, const Upstream& upstream)
{
    constexpr std::string_view prefix = "/v1";
    const bool absolute_form = upstream.via && !upstream.endpoint.tls && !request.upgrade_websocket;
    write_request_begin(out, request.method, upstream.endpoint, absolute_form,
                        {request.path.substr(prefix.size()), request.query});
    const bool among_protocols =
        request.key_place == KeyPlace::websocket_protocol && may_be_protocol(upstream.key);
    write_passed_fields(out, request.fields, upstream.asis,
                        among_protocols ? upstream.key : std::string_view{});
    if (!upstream.asis && !among_protocols) {
        if (request.key_place == KeyPlace::x_api_key)
            write_field(out, "x-api-key", upstream.key);
        else if (request.key_place == KeyPlace::api_key)
            write_field(out, "api-key", upstream.key);
        else
            out.append("Authorization: Bearer ").append(upstream.key).append("\r\n");
    }
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

void write_client_head(std::string& out, unsigned status, std::string_view reason, const HeaderFields& fields,
                       const ReplyFacts& facts)
{
    write_status_line(out, status, reason);
    const auto replaced = replaced_fields(status, fields, facts);
    write_upstream_fields(out, fields, replaced, facts.key_among_protocols);
    if (replaced.should_retry)
        out.append("x-should-retry: false\r\n");
    if (replaced.buffering)
        out.append("X-Accel-Buffering: no\r\n");
    if (facts.websocket)
        out.append("Connection: Upgrade\r\nUpgrade: websocket\r\n");
    write_route_fields(out, facts);
    write_framing(out, facts);
    write_cors_fields(out, fields);
    out.append("\r\n");
}

void write_own_head(std::string& out, unsigned status, std::string_view content_type, std::string_view extra,
                    const ReplyFacts& facts, bool cors)
{
    write_status_line(out, status, reason_phrase(status));
    if (!content_type.empty())
        write_field(out, "Content-Type", content_type);
    out.append(extra);
    write_route_fields(out, facts);
    write_framing(out, facts);
    if (cors)
        write_cors_fields(out, {});
    out.append("\r\n");
}

std::string_view reason_phrase(unsigned status)
{
    const auto known = http::int_to_status(status);
    if (known == http::status::unknown)
        return {};
    const auto phrase = http::obsolete_reason(known);
    return {phrase.data(), phrase.size()};
}

}  // namespace route
