#include <string>

#include "tests/net/stage.hpp"

// Every framing of an upstream's reply against every kind of client, and bodies larger than any buffer.

namespace route::test {

namespace {

enum class Framing
{
    length,
    chunks,
    close
};

Script framed(Framing framing, const std::string& type, const std::string& body)
{
    const Headers headers{{"Content-Type", type}};
    if (framing == Framing::length) {
        return script::reply(200, headers, body);
    }
    if (framing == Framing::chunks) {
        const std::size_t half = body.size() / 2;
        return script::raw(chunked_reply(200, headers, {body.substr(0, half), body.substr(half)}));
    }
    return script::raw_then_half_close(reply_head(200, headers) + body);
}

std::string pattern(std::size_t size)
{
    std::string text(size, '\0');
    for (std::size_t index = 0; index < size; ++index) {
        text[index] = static_cast<char>((index * 31 + index / 251) & 0xff);
    }
    return text;
}

}  // namespace

TEST_CASE("every framing of a reply reaches every kind of client whole")
{
    const auto framing = GENERATE(Framing::length, Framing::chunks, Framing::close);
    const std::string version = GENERATE("HTTP/1.0", "HTTP/1.1");
    struct Case
    {
        std::string type;
        std::string body;
    };
    const auto [type, body] = GENERATE(values<Case>({
        {"application/json", chat_reply("hello")},
        {"audio/mpeg", pattern(300'000)},
        {"text/event-stream", joined(chat_events("hello"))},
        {"application/json", "{\"data\":\"" + std::string(3 << 20, 'x') + "\"}"},
        {"text/plain", "x"},
    }));
    CAPTURE(static_cast<int>(framing), version, type, body.size());
    Stage stage{{framed(framing, type, body)}};
    const std::string lines = bearer() + "Content-Type: application/json\r\n";
    const Reply reply = stage.ask(request_text("POST", "/v1/x", lines, chat_body(), version));
    CHECK(reply.status() == 200);
    CHECK(reply.whole);
    CHECK((reply.body() == body));
    CHECK(reply.header("content-type") == type);
    if (version == "HTTP/1.0") {
        CHECK_FALSE(reply.has("transfer-encoding"));
    }
    CHECK((reply.count("transfer-encoding") + reply.count("content-length") <= 1));
    CHECK(stage.record().outcome == RequestOutcome::ok);
    CHECK(stage.record().response_bytes == body.size());
}

TEST_CASE("a reply without a body is whole in every framing")
{
    const auto framing = GENERATE(Framing::length, Framing::chunks, Framing::close);
    const std::string version = GENERATE("HTTP/1.0", "HTTP/1.1");
    const std::string type = GENERATE("application/json", "audio/mpeg");
    CAPTURE(static_cast<int>(framing), version, type);
    const Headers headers{{"Content-Type", type}};
    Script script = script::reply(200, headers, "");
    if (framing == Framing::chunks) {
        script = script::raw(chunked_reply(200, headers, {}));
    } else if (framing == Framing::close) {
        script = script::raw_then_half_close(reply_head(200, headers));
    }
    Stage stage{{script}};
    const Reply reply = stage.ask(request_text("DELETE", "/v1/files/x", bearer(), "", version));
    CHECK(reply.status() == 200);
    CHECK(reply.whole);
    CHECK(reply.body().empty());
}

TEST_CASE("a reply of an HTTP/1.0 upstream is relayed")
{
    Stage stage{{script::raw_then_close("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold")}};
    const Reply reply = stage.ask(get_request("/v1/files/x"));
    CHECK(reply.whole);
    CHECK(reply.body() == "old");
    CHECK(reply.message.version() == 11);
}

TEST_CASE("a status line without a reason and an empty header pass")
{
    Stage stage{{script::raw(
        "HTTP/1.1 200 \r\nContent-Length: 2\r\nContent-Type: text/plain\r\nX-Empty:\r\n\r\nok")}};
    const Reply reply = stage.ask(get_request("/v1/files/x"));
    CHECK(reply.status() == 200);
    CHECK(reply.body() == "ok");
    CHECK(reply.has("x-empty"));
}

TEST_CASE("a status line that ends with the status passes")
{
    const auto version = GENERATE(values<std::string>({"HTTP/1.1", "HTTP/1.0"}));
    const auto way = GENERATE(false, true);
    const std::string reply_bytes =
        version + " 200\r\nContent-Length: 2\r\nContent-Type: text/plain\r\nX-Name: value\r\n\r\nok";
    Stage stage{{{step::read_request(), way ? step::send_byte_by_byte(reply_bytes) : step::send(reply_bytes),
                  step::again()}}};
    const Reply reply = stage.ask(get_request("/v1/files/f/content"));
    CHECK(reply.status() == 200);
    CHECK(reply.body() == "ok");
    CHECK(reply.header("x-name") == "value");
}

TEST_CASE("blanks behind the sizes of chunks pass")
{
    const auto blanks = GENERATE(values<std::string>({" ", "\t", "   \t ", "          "}));
    const auto way = GENERATE(false, true);
    const std::string reply_bytes =
        reply_head(200, {{"Content-Type", "text/plain"}, {"Transfer-Encoding", "chunked"}}) + "3" + blanks +
        "\r\nabc\r\n0A" + blanks + "\r\n0123456789\r\n0" + blanks + "\r\n\r\n";
    Stage stage{{{step::read_request(), way ? step::send_byte_by_byte(reply_bytes) : step::send(reply_bytes),
                  step::again()}}};
    const Reply reply = stage.ask(get_request("/v1/files/f/content"));
    CHECK(reply.whole);
    CHECK(reply.body() == "abc0123456789");
}

TEST_CASE("a client that does not read holds the upstream back")
{
    const std::size_t pieces = 512;
    const std::string piece = pattern(64 << 10);
    const auto framing = GENERATE(Framing::length, Framing::chunks);
    const std::string sent = framing == Framing::length ? piece : chunk(piece);
    const std::string end = framing == Framing::length ? "" : std::string{last_chunk};
    Headers headers{{"Content-Type", "audio/mpeg"}};
    if (framing == Framing::length) {
        headers.emplace_back("Content-Length", std::to_string(pieces * piece.size()));
    } else {
        headers.emplace_back("Transfer-Encoding", "chunked");
    }
    Stage stage{{{step::read_request(), step::send(reply_head(200, headers)),
                  step::send_repeated(sent, pieces), step::send(end), step::hold("sent")}}};
    const auto client = stage.connect(64 << 10);
    client->pause_reading();
    client->send(chat_request());
    std::uint64_t before = 0;
    stage.run_until([&] { return stage.first().sent_bytes() > 0; });
    while (before != stage.first().sent_bytes()) {
        before = stage.first().sent_bytes();
        stage.settle();
    }
    CHECK_FALSE(stage.first().reached("sent"));
    CHECK(before < pieces * piece.size() * 3 / 4);

    client->resume_reading();
    stage.run_until([&] { return client->replies().size() == 1; });
    const Reply& reply = client->replies()[0];
    CHECK(reply.whole);
    REQUIRE(reply.body().size() == pieces * piece.size());
    bool same = true;
    for (std::size_t begin = 0; begin < reply.body().size(); begin += piece.size()) {
        same = same && reply.body().compare(begin, piece.size(), piece) == 0;
    }
    CHECK(same);
    CHECK(stage.record().response_bytes == reply.body().size());
    CHECK_THAT(stage.record().response, ContainsSubstring("audio/mpeg"));
}

TEST_CASE("a big request reaches a slow upstream whole")
{
    const std::string body = "{\"model\":\"gpt-4o\",\"x\":\"" + std::string(16 << 20, 'x') + "\"}";
    Script script;
    for (int piece = 0; piece < 50; ++piece) {
        script.push_back(step::read_some(10'000));
    }
    script.push_back(step::read_request());
    script.push_back(step::send(reply_text(200, json_headers, chat_reply("hello"))));
    Stage stage{{script}};
    const Reply reply = stage.ask(request_text("POST", "/v1/chat/completions", bearer(), body));
    CHECK(reply.status() == 200);
    CHECK((stage.first().requests().at(0).body() == body));
    CHECK(stage.record().body_bytes == body.size());
    CHECK(stage.record().body.size() < body.size());
}

}  // namespace route::test
