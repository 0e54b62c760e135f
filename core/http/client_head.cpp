#include "core/http/client_head.hpp"

#include <fmt/format.h>

#include <boost/beast/http/status.hpp>

#include "core/http/field_lines.hpp"

namespace route {

namespace http = boost::beast::http;
using http::field;

namespace {

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

}  // namespace

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
