// A whole session: what a client sends, in pieces, through a router whose upstreams answer in many ways. The
// first number chooses the answers, the second the pieces and how the client leaves.
#include "core/net/session.hpp"

#include <set>
#include <string>
#include <vector>

#include "core/http/websocket.hpp"
#include "core/net/http/message_parser.hpp"
#include "core/text.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/offline_router.hpp"
#include "tests/fuzz/reference_http.hpp"

using namespace route;
using namespace route::fuzz;

namespace {

/// An upstream's side of a connection: reads whole requests and answers each in the next of many ways.
class UpstreamPeer
{
  public:
    UpstreamPeer(SocketPeer& peer, std::string_view key, unsigned choice)
        : peer_{peer}, key_{key}, next_{choice}
    {
    }

    /// Answers what has come; whether anything had.
    bool serve();

    std::size_t requests() const { return requests_; }

  private:
    void check(const Head& head) const;
    void answer(bool head_only);

    SocketPeer& peer_;
    std::string_view key_;
    unsigned next_;
    std::size_t taken_ = 0;
    std::size_t requests_ = 0;
};

constexpr std::size_t most_pieces = 32;

constexpr std::string_view replies[] = {
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 62\r\n\r\n"
    R"({"choices":[{"index":0,"message":{"content":"Hi"}}],"usage":{}})",
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    "38\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n\r\ne\r\ndata: "
    "[DONE]\n\n\r\n0\r\n\r\n",
    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Type: application/json\r\nContent-Length: "
    "2\r\n\r\n{}",
    "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: "
    "chunked\r\n"
    "\r\n3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n",
    "",
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"half\":",
    "HTTP/1.1 204 No Content\r\nSet-Cookie: a=b\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    "d\r\ndata: first\n\n\r\n",
};

bool UpstreamPeer::serve()
{
    bool any = false;
    for (;;) {
        const auto rest = std::string_view{peer_.received()}.substr(taken_);
        const auto end = net::head_length(rest);
        if (end == 0)
            return any;
        const auto head = read_head(rest);
        require(head.has_value() && head->size == end, "an upstream gets whole heads");
        check(*head);
        const auto body = read_request_body(*head, rest.substr(end));
        if (body.end != BodyEnd::whole)
            return any;
        taken_ += end + body.size;
        ++requests_;
        any = true;
        answer(head->word(0) == "HEAD");
    }
}

void UpstreamPeer::check(const Head& head) const
{
    require(clean_head(std::string_view{peer_.received()}.substr(taken_, head.size)), "a head is clean");
    require(head.word(1).starts_with("/v1/") && head.word(2) == "HTTP/1.1",
            "an upstream gets requests for it");
    require(head.count("host") == 1 && head.count("content-length") <= 1,
            "there is no doubt about a request");
    const auto among_protocols = key_among_protocols(head.value("sec-websocket-protocol"));
    require(head.count("authorization") + head.count("x-api-key") + head.count("api-key") +
                    (among_protocols ? 1 : 0) ==
                1,
            "a request has one key");
    require(head.value("authorization").ends_with(key_) || head.value("x-api-key") == key_ ||
                head.value("api-key") == key_ || among_protocols == key_,
            "it is the upstream's");
    for (const auto* name : {"transfer-encoding", "cookie", "expect", "proxy-authorization"})
        require(!head.has(name), "what is not for an upstream stays here");
    const bool upgrade = head.value("upgrade") == "websocket" && head.value("connection") == "Upgrade";
    require(upgrade || (!head.has("upgrade") && !head.has("connection")),
            "no Upgrade goes on but a WebSocket's");
}

void UpstreamPeer::answer(bool head_only)
{
    const auto reply = replies[next_++ % std::size(replies)];
    const auto head_end = net::head_length(reply);
    peer_.send(head_only ? reply.substr(0, head_end) : reply);
    if (reply.empty())
        peer_.close();
}

/// What a client asked, as the standard reads it.
struct Asked
{
    std::string method;
    std::string target;
};

/// Every request in the bytes; the last one may be incomplete or malformed, or a mere line end.
std::vector<Asked> requests_in(std::string_view bytes)
{
    std::vector<Asked> requests;
    for (;;) {
        if (bytes.empty())
            return requests;
        bytes.remove_prefix(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
        const auto head = read_head(bytes);
        if (!head) {
            requests.push_back({std::string{bytes.substr(0, bytes.find(' '))}, {}});
            return requests;
        }
        requests.push_back({std::string{head->word(0)}, std::string{head->word(1)}});
        const auto body = read_request_body(*head, bytes.substr(head->size));
        if (body.end != BodyEnd::whole)
            return requests;
        bytes.remove_prefix(head->size + body.size);
    }
}

const Record* find_record(const std::vector<Record>& records, std::string_view id)
{
    for (const auto& record : records)
        if (record.request_id == id)
            return &record;
    return nullptr;
}

/// What the client got, reply by reply.
void check_replies(std::string_view received, const std::vector<Asked>& asked,
                   const std::vector<Record>& records)
{
    std::size_t answered = 0;
    while (!received.empty()) {
        const auto head = read_head(received);
        if (!head) {
            // Broken off inside a head: only one who left sees that.
            require(net::head_length(received) == 0, "a reply has a valid head");
            return;
        }
        require(clean_head(received.substr(0, head->size)), "a reply's head is clean");
        received.remove_prefix(head->size);
        const auto status = status_of(*head);
        require(head->word(0) == "HTTP/1.1" && status >= 100 && status <= 999, "a reply has a status line");
        if (status == 100) {
            require(head->fields.empty(), "an interim reply says no more");
            continue;
        }
        require(answered < asked.size(), "nobody gets more replies than he asked for");
        const auto& question = asked[answered++];
        require(head->count("content-length") + head->count("transfer-encoding") <= 1,
                "a reply has one framing");
        const auto* record = find_record(records, head->value("x-request-id"));
        require(record != nullptr || !head->has("x-route-upstream"),
                "what an upstream answered has a record");
        require(record != nullptr || status == 200 || status == 204 || status == 503,
                "what is refused has a record");
        if (record != nullptr)
            require(record->status == status || record->status == 499, "a record has the reply's status");
        const auto body = read_reply_body(*head, received, question.method == "HEAD", true);
        require(body.end != BodyEnd::broken, "a reply's body is validly framed");
        if (body.end == BodyEnd::incomplete) {
            require(record != nullptr && record->outcome != RequestOutcome::ok,
                    "only what is cut is not whole");
            require(body.size == received.size(), "nothing follows a reply that is not whole");
        }
        received.remove_prefix(body.size);
    }
}

void check_records(const std::vector<Record>& records, const std::vector<Asked>& asked,
                   std::size_t at_upstreams)
{
    std::set<std::string> ids;
    std::size_t next = 0;
    std::size_t attempts = 0;
    for (const auto& record : records) {
        check_record(record);
        require(ids.insert(record.request_id).second, "a request has one record");
        require(record.status != 0, "a record has a status");
        attempts += record.attempts.size();
        auto found = next;
        while (found < asked.size() &&
               (asked[found].method != record.method ||
                clean_utf8(asked[found].target).find(record.path) == std::string::npos))
            ++found;
        // What is malformed has no path, and keys in it are not shown.
        const bool hidden =
            record.path.empty() || (record.method + record.path).find("…") != std::string::npos;
        require(found < asked.size() || hidden, "a record is of a request that was made");
        if (!hidden)
            next = found + 1;
    }
    require(at_upstreams <= attempts, "what upstreams got is in the records");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const auto answers = input.choose();
    const auto choice = input.choose();

    OfflineRouter router{{1 + answers / 16 % 2, answers / 32 % 2 == 1}};
    std::vector<UpstreamPeer> upstreams;
    for (unsigned connection = 0; connection < 2; ++connection)
        upstreams.emplace_back(router.connect_upstream(0), OfflineRouter::upstream_keys[0],
                               answers + connection);
    if (answers / 16 % 2 == 1)
        upstreams.emplace_back(router.connect_upstream(1), OfflineRouter::upstream_keys[1], answers / 4);
    auto& client = router.connect_client();
    const auto settle = [&] {
        bool any = true;
        while (any) {
            any = router.run();
            for (auto& upstream : upstreams)
                any = upstream.serve() || any;
        }
    };

    unsigned pieces = 0;
    const auto drained_at = choice / 256 % 8 == 1 ? choice % 13 : ~0u;
    settle();
    in_pieces(
        input.bytes(), choice,
        [&](std::string_view piece) {
            client.send(piece);
            settle();
            if (pieces++ == drained_at)
                router.drain();
        },
        most_pieces);
    if (choice / 2048 % 4 == 3)
        client.close();
    else
        client.half_close();
    settle();
    router.end();

    const auto asked = requests_in(client.sent());
    check_replies(client.received(), asked, router.records());
    std::size_t at_upstreams = 0;
    for (const auto& upstream : upstreams)
        at_upstreams += upstream.requests();
    check_records(router.records(), asked, at_upstreams);
    return 0;
}
