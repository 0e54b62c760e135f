// What goes on of a head: a request's to an upstream, a reply's to a client. An input is a head; the number
// chooses the upstream and the framing.
#include <set>
#include <string>

#include "core/http/client_head.hpp"
#include "core/http/upstream_head.hpp"
#include "core/http/websocket.hpp"
#include "core/net/http/request.hpp"
#include "core/text.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/reference_http.hpp"

using namespace route;
using namespace route::fuzz;
using namespace route::net;

namespace {

constexpr std::string_view upstream_key = "sk-upstream-0123456789";

Upstream make(bool asis)
{
    UpstreamDefinition definition;
    definition.id = 1;
    definition.name = "first";
    definition.sk = asis ? "asis" : std::string{upstream_key};
    definition.endpoint = "https://upstream.test/base/v1";
    return make_upstream(definition, {}, nullptr).value();
}

/// Names in Connection, in lower case, which go no further.
std::set<std::string> named_in_connection(const Head& head)
{
    std::set<std::string> names;
    for (const auto& [name, value] : head.fields) {
        if (name != "connection")
            continue;
        std::string word;
        for (const char c : value + ",") {
            if (c != ',') {
                word += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
                continue;
            }
            names.insert(std::string{trim(word)});
            word.clear();
        }
    }
    names.erase("");
    return names;
}

constexpr const char* hop_by_hop[] = {
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization",
    "te",         "trailer",    "upgrade",          "transfer-encoding",  "http2-settings"};

Head check_head(const std::string& text)
{
    require(clean_head(text), "a head has no bare CR, LF or NUL");
    const auto head = read_head(text);
    require(head.has_value() && head->size == text.size(), "a head is one head");
    return *head;
}

/// Every field was there before, or is one of the router's own.
void check_origin(const Head& written, const Head& original, const std::set<std::string>& own)
{
    const auto dropped = named_in_connection(original);
    for (const auto& field : written.fields) {
        if (own.count(field.first) > 0)
            continue;
        require(dropped.count(field.first) == 0 || field.first == "close" || field.first == "keep-alive",
                "what Connection names goes no further");
        require(std::find(original.fields.begin(), original.fields.end(), field) != original.fields.end(),
                "a field is one that came");
    }
}

void check_request(std::string_view text, unsigned choice)
{
    Request request;
    request.head = text;
    request.parser.emplace();
    if (request.parser->parse_head(request.head) || !check_request_head(request).empty() ||
        !request.path.starts_with("/v1/"))
        return;
    const bool asis = choice % 2 == 1;
    constexpr KeyPlace places[] = {KeyPlace::authorization, KeyPlace::x_api_key, KeyPlace::api_key};
    constexpr const char* place_names[] = {"authorization", "x-api-key", "api-key"};
    const auto place = choice / 2 % 4 % std::size(places);
    static const auto keyed = make(false);
    static const auto passing = make(true);
    std::optional<std::uint64_t> length;
    if (choice / 8 % 2 == 1)
        length = choice;
    const UpstreamRequest outgoing{request.parser->method(),
                                   request.path,
                                   request.query,
                                   request.fields(),
                                   length,
                                   places[place],
                                   false};
    std::string out;
    write_upstream_head(out, outgoing, asis ? passing : keyed);
    const auto head = check_head(out);
    const auto original = read_head(text);
    require(original.has_value(), "a head that is taken is one for the standard");

    require_equal(head.word(0), request.parser->method(), "the method stays");
    require_equal(head.word(1), "/base" + std::string{request.path} + std::string{request.query},
                  "the target is the endpoint's");
    require_equal(head.word(2), "HTTP/1.1", "the version is the router's");
    require_equal(head.value("host"), "upstream.test", "Host is the endpoint's");
    require(head.count("host") == 1 && head.count("accept-encoding") == 1,
            "no field of the router's comes twice");
    require(head.count("content-length") == (length ? 1 : 0), "a body has one length");
    for (const auto* name : hop_by_hop)
        require(!head.has(name), "no field of one connection goes on");
    for (const auto* name : {"cookie", "cookie2", "expect", "forwarded", "x-forwarded-for", "x-real-ip",
                             "true-client-ip", "cf-connecting-ip"})
        require(!head.has(name), "no field about the client goes on");
    std::set<std::string> own{"host", "accept-encoding", "content-length"};
    if (!asis) {
        require(head.count("authorization") + head.count("x-api-key") + head.count("api-key") == 1,
                "an upstream gets one key");
        require(head.value(place_names[place]).ends_with(upstream_key), "it is the upstream's");
        own.insert({"authorization", "x-api-key", "api-key", "sec-websocket-protocol"});
        require(!key_among_protocols(head.value("sec-websocket-protocol")),
                "no key hides among the protocols of a WebSocket");
    } else {
        require(head.has("authorization") + head.has("x-api-key") + head.has("api-key") <= 1,
                "of two credentials one goes on");
    }
    check_origin(head, *original, own);
}

void check_reply(std::string_view text, unsigned choice)
{
    ReplyParser parser;
    if (parser.parse_head(text))
        return;
    ReplyFacts facts;
    facts.request_id = "01890000-0000-7000-8000-000000000000";
    facts.upstream_name = "first";
    facts.attempts = 1 + choice % 3;
    facts.framing = static_cast<Framing>(choice / 4 % 4);
    if (facts.framing == Framing::content_length || (facts.framing == Framing::none && choice % 2 == 0))
        facts.content_length = choice;
    facts.close = choice / 16 % 2 == 1;
    facts.keep_alive_10 = !facts.close && choice / 32 % 2 == 1;
    std::string out;
    write_client_head(out, parser.status(), parser.reason(), parser.fields(), facts);
    const auto head = check_head(out);
    const auto original = read_head(text);
    require(original.has_value(), "a head that is taken is one for the standard");

    require(status_of(head) == parser.status(), "the status stays");
    require_equal(head.value("x-request-id"), facts.request_id, "the request's id is the router's");
    if (head.has("x-upstream-request-id"))  // not when the upstream nominates it in Connection
        require_equal(head.value("x-upstream-request-id"), original->value("x-request-id"),
                      "the upstream's goes beside it");
    for (const auto* name : {"x-request-id", "x-route-upstream", "x-route-attempts",
                             "access-control-allow-origin", "access-control-expose-headers"})
        require(head.count(name) == 1, "no field of the router's comes twice");
    const auto chunked = head.count("transfer-encoding");
    require(
        chunked == (facts.framing == Framing::chunked ? 1 : 0) && head.count("content-length") <= 1 - chunked,
        "a reply has one framing");
    require(head.count("connection") <= 1, "a reply says once whether the connection stays");
    for (const auto* name :
         {"set-cookie", "set-cookie2", "strict-transport-security", "alt-svc", "nel", "report-to",
          "keep-alive", "proxy-connection", "proxy-authenticate", "te", "trailer", "upgrade"})
        require(!head.has(name), "no field about the upstream's own connection or origin goes on");
    check_origin(
        head, *original,
        {"x-request-id", "x-upstream-request-id", "x-route-upstream", "x-route-attempts", "transfer-encoding",
         "sec-websocket-protocol", "content-length", "connection", "x-should-retry", "x-accel-buffering",
         "access-control-allow-origin", "access-control-expose-headers"});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const auto choice = input.choose();
    const auto bytes = input.bytes();
    const auto length = head_length(bytes);
    if (length == 0)
        return 0;
    const Bytes head{bytes.substr(0, length)};
    check_request(head.view(), choice);
    check_reply(head.view(), choice);
    return 0;
}
