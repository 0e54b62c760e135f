// What an upstream answers, in pieces, to one of a few requests. The first number chooses the request and how
// the upstream ends, the second the pieces.
#include <span>
#include <string>

#include "core/http/shown_reply.hpp"
#include "core/net/http/message_parser.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/offline_router.hpp"
#include "tests/fuzz/reference_http.hpp"

using namespace route;
using namespace route::fuzz;

namespace {

std::string post(std::string_view target, std::string_view version, std::string_view credential,
                 std::string_view body)
{
    std::string text{"POST "};
    text.append(target).append(" ").append(version).append("\r\nHost: router.test\r\n").append(credential);
    text.append("Content-Type: application/json\r\nContent-Length: ").append(std::to_string(body.size()));
    return text.append("\r\n\r\n").append(body);
}

constexpr std::size_t most_pieces = 32;
constexpr std::string_view bearer = "Authorization: Bearer client-key-0123456789\r\n";
constexpr std::string_view api_key = "x-api-key: client-key-0123456789\r\n";
constexpr std::string_view chat = R"({"model":"gpt-4o","messages":[]})";
constexpr std::string_view streamed = R"({"model":"gpt-4o","messages":[],"stream":true})";

std::string get(std::string_view method)
{
    std::string text{method};
    return text.append(" /v1/models HTTP/1.1\r\nHost: router.test\r\n").append(bearer).append("\r\n");
}

std::string request(unsigned choice)
{
    switch (choice % 6) {
        case 0:
            return post("/v1/chat/completions", "HTTP/1.1", bearer, streamed);
        case 1:
            return post("/v1/chat/completions", "HTTP/1.1", bearer, chat);
        case 2:
            return post("/v1/messages", "HTTP/1.1", api_key, streamed);
        case 3:
            return post("/v1/responses", "HTTP/1.0", bearer, streamed);
        case 4:
            return get("HEAD");
        default:
            return get("GET");
    }
}

/// What an upstream said, as the standard reads it: its first final reply.
struct Said
{
    Head head;
    Body body;
};

std::optional<Said> final_reply(std::string_view bytes, bool to_head_request, bool closed)
{
    for (;;) {
        auto head = read_head(bytes);
        if (!head)
            return std::nullopt;
        bytes.remove_prefix(head->size);
        if (status_of(*head) / 100 == 1)
            continue;
        auto body = read_reply_body(*head, bytes, to_head_request, closed);
        return Said{std::move(*head), std::move(body)};
    }
}

/// The body as a client may see it: in that of a failed reply `…` stands for the keys of the upstreams there
/// are, and then it is without its content coding.
std::string shown_body(const Said& said, bool failed, std::size_t upstreams)
{
    if (!failed)
        return said.body.content;
    SecretEraser keys;
    const std::span known{OfflineRouter::upstream_keys};
    for (const auto key : known.first(upstreams))
        keys.add(key);
    auto content = decoded_body(said.head.value("content-encoding"), said.body.content, most_decoded);
    if (!content || !keys.erase(*content))
        return said.body.content;
    for (const auto key : known.first(upstreams))
        require(content->find(key) == std::string::npos, "a failed reply shows no key");
    return *std::move(content);
}

/// Whether an event says that nothing must come behind it.
bool says_its_end(std::string_view events)
{
    for (const std::string_view end : {"[DONE]", "message_stop", ".completed", ".incomplete", ".done"})
        if (events.find(end) != std::string_view::npos)
            return true;
    return false;
}

/// Looks whole to the client, and is it: but for a stream that said its end, and for one that is an error in
/// place of an answer, whose rest is not waited for.
void check_body(const Said& said, const Body& body, const Record& record, std::size_t upstreams)
{
    require(record.outcome == RequestOutcome::ok || record.outcome == RequestOutcome::upstream_error,
            "what looks whole is called so");
    const auto status = status_of(said.head);
    const bool succeeds = status / 100 == 2 || status == 304;
    if (succeeds && record.outcome == RequestOutcome::upstream_error) {
        require(said.body.content.starts_with(body.content) ||
                    shown_body(said, true, upstreams).starts_with(body.content),
                "an error in place of an answer arrives as it was sent");
        return;
    }
    // What comes behind the end of a stream may be lost, with trailers that are refused for one.
    if (said.body.end != BodyEnd::whole || (succeeds && says_its_end(body.content))) {
        require(says_its_end(body.content), "what looks whole is whole");
        require(said.body.content.starts_with(body.content), "a stream arrives as it was sent");
        return;
    }
    require_equal(body.content, shown_body(said, !succeeds, upstreams), "a body arrives as it was sent");
}

void check_reply(std::string_view received, const Said* said, const std::string& question,
                 const Record& record, std::size_t upstreams)
{
    const bool head_only = question.starts_with("HEAD");
    const bool http10 = question.find(" HTTP/1.0\r\n") != std::string::npos;
    if (received.empty()) {
        require(record.status == 499, "only one who left gets no reply");
        return;
    }
    const auto head = read_head(received);
    require(head.has_value() && clean_head(received.substr(0, head->size)), "a reply has a valid head");
    const auto status = status_of(*head);
    require(record.status == status || record.status == 499, "a record has the reply's status");
    require_equal(head->value("x-request-id"), record.request_id, "a reply names its record");
    require(head->count("content-length") + head->count("transfer-encoding") <= 1, "a reply has one framing");
    require(!http10 || !head->has("transfer-encoding"), "HTTP/1.0 knows no chunks");
    for (const auto* name : {"set-cookie", "keep-alive", "upgrade", "trailer", "alt-svc"})
        require(!head->has(name), "what is not for the client stays here");

    const auto behind = received.substr(head->size);
    const auto body = read_reply_body(*head, behind, head_only, true);
    require(body.end != BodyEnd::broken, "a reply's body is validly framed");
    require(body.size == behind.size(), "nothing follows the reply");
    const bool from_upstream = head->value("x-route-upstream") == "first";
    require(from_upstream || head->has("x-route-upstream") || status == 502,
            "what the router says is an error");
    if (!from_upstream)
        return;
    require(said != nullptr && status_of(said->head) == status, "an upstream's reply is what it said");
    const bool delimited = head_only || head->has("content-length") || head->has("transfer-encoding") ||
                           status == 204 || status == 304;
    // Without framing only a reset tells, and socket pairs have none.
    if (body.end == BodyEnd::whole && delimited)
        check_body(*said, body, record, upstreams);
    if (body.end == BodyEnd::incomplete)
        require(record.outcome == RequestOutcome::truncated ||
                    record.outcome == RequestOutcome::client_closed ||
                    record.outcome == RequestOutcome::upstream_error ||  // an error stands in it
                    says_its_end(body.content),
                "what is cut is called so");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const auto choice = input.choose();
    const auto split = input.choose();
    const auto question = request(choice);
    const auto bytes = input.bytes();

    const bool second = choice / 16 % 2 == 1;
    OfflineRouter router{{second ? 2u : 1u, choice / 8 % 2 == 1}};
    auto& upstream = router.connect_upstream(0);
    auto& client = router.connect_client();
    const auto settle = [&] {
        while (router.run()) {
        }
    };
    client.send(question);
    settle();
    require(!upstream.received().empty(), "the upstream is asked");
    in_pieces(
        bytes, split,
        [&](std::string_view piece) {
            upstream.send(piece);
            settle();
        },
        most_pieces);
    const auto end = choice / 32 % 4;
    if (end == 0)
        upstream.close();
    else if (end == 1)
        upstream.half_close();
    settle();
    client.half_close();
    settle();
    router.end();

    require(router.records().size() == 1, "a request has one record");
    const auto& record = router.records().front();
    check_record(record);
    require(record.authenticated && !record.attempts.empty(), "it was tried");
    const auto said = final_reply(upstream.sent(), question.starts_with("HEAD"), end < 2);
    check_reply(client.received(), said ? &*said : nullptr, question, record, second ? 2u : 1u);
    return 0;
}
