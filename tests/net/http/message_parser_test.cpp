#include "core/net/http/message_parser.hpp"

#include <string>

#include "tests/support/catch.hpp"

namespace route::net {

namespace {

enum class End
{
    open,
    whole,
    malformed
};

struct Decoded
{
    End end = End::open;
    std::string content;
};

/// A chunked body as it is read when it comes in pieces: what was not consumed is presented again, with what
/// came next or alone.
template <class Parser = RequestParser>
Decoded decode(std::string_view body, std::size_t piece,
               std::string_view head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")
{
    Parser parser;
    REQUIRE_FALSE(parser.parse_head(head));
    Decoded decoded;
    std::string carried;
    for (; !body.empty() && !parser.done(); body.remove_prefix(std::min(piece, body.size()))) {
        carried += body.substr(0, piece);
        for (int again = 0; again < 2 && !parser.done(); ++again) {
            error_code error;
            const auto consumed = parser.body(carried.data(), carried.size(), error);
            if (error)
                return {End::malformed, {}};
            decoded.content += parser.payload();
            carried.erase(0, consumed);
        }
    }
    if (parser.done())
        decoded.end = End::whole;
    return decoded;
}

}  // namespace

TEST_CASE("a chunked body comes in pieces of any size")
{
    struct Row
    {
        const char* body;
        End end;
        const char* content;
    };
    const Row row = GENERATE(values<Row>({
        {"0\r\n\r\n", End::whole, ""},
        {"00;a\r\n\r\n", End::whole, ""},
        {"0\r\nabc: d\r\n\r\n", End::whole, ""},
        {"5\r\nhello\r\n1;a=\"b c\"\r\n!\r\n0\r\n\r\n", End::whole, "hello!"},
        {"3\r\n0\r\n\r\n0\r\nA: b\r\n\r\n", End::whole, "0\r\n"},
        {"5\r\nhello\r\n0\r\n", End::open, "hello"},
        {"5\r\nhello\r\n10", End::open, "hello"},
        {"5;a=\"b\r\nhello\r\n0\r\n\r\n", End::malformed, ""},
        {"0;a=\"b\r\n\r\n", End::malformed, ""},
        {"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", End::malformed, ""},
        {"0;a=\"\x7f\"\r\n\r\n", End::malformed, ""},
        {"0\r\nno field\r\n\r\n", End::malformed, ""},
        {"5\r\nhello!\r\n0\r\n\r\n", End::malformed, ""},
        {"5\r\nhello\n", End::malformed, ""},
        {"0\n\r\x8c\r\x12", End::malformed, ""},
        {"2\n", End::malformed, ""},
        {"0\r\nA: b\n", End::malformed, ""},
        {"5\r\nhello0\r\n\r", End::malformed, ""},
    }));
    CAPTURE(row.body);
    const std::string_view body = row.body;
    for (std::size_t piece = 1; piece <= body.size(); ++piece) {
        CAPTURE(piece);
        const auto decoded = decode(body, piece);
        CHECK(decoded.end == row.end);
        if (row.end != End::malformed)
            CHECK(decoded.content == row.content);
    }
}

TEST_CASE("blanks behind the size of a chunk are an upstream's alone")
{
    struct Row
    {
        const char* body;
        End end;
        const char* content;
    };
    const Row row = GENERATE(values<Row>({
        {"5 \r\nhello\r\n0\r\n\r\n", End::whole, "hello"},
        {"5 \t \r\nhello\r\n1  \r\n!\r\n000 \r\nA: b\r\n\r\n", End::whole, "hello!"},
        {"5\r\nhello\r\n0 \r\n", End::open, "hello"},
        {"5 x\r\nhello\r\n0\r\n\r\n", End::malformed, ""},
        {"5 5\r\nhello\r\n0\r\n\r\n", End::malformed, ""},
        {" \r\nhello\r\n0\r\n\r\n", End::malformed, ""},
        {"5 \nhello\r\n0\r\n\r\n", End::malformed, ""},
    }));
    CAPTURE(row.body);
    const std::string_view body = row.body;
    for (std::size_t piece = 1; piece <= body.size(); ++piece) {
        CAPTURE(piece);
        const auto decoded =
            decode<ReplyParser>(body, piece, "HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n");
        CHECK(decoded.end == row.end);
        if (row.end != End::malformed)
            CHECK(decoded.content == row.content);
        if (row.end == End::whole)
            CHECK(decode(body, piece).end == End::malformed);
    }
}

TEST_CASE("a status line that ends with the status")
{
    struct Row
    {
        const char* line;
        bool taken;
    };
    for (const auto& [line, taken] :
         {Row{"HTTP/1.1 200", true}, Row{"HTTP/1.0 404", true}, Row{"HTTP/1.1 200 ", true},
          Row{"HTTP/1.1 20", false}, Row{"HTTP/1.1 2000", false}, Row{"HTTP/1.1 2x0", false},
          Row{"HTTP/1.1200", false}, Row{"HTTP/1.1", false}}) {
        CAPTURE(line);
        ReplyParser parser;
        const std::string head = std::string{line} + "\r\nA: b\r\nContent-Length: 0\r\n\r\n";
        CHECK(!parser.parse_head(head) == taken);
        if (!taken)
            continue;
        CHECK(parser.reason().empty());
        REQUIRE(parser.fields().size() == 2);
        CHECK(parser.fields()[0].name == "A");
        CHECK(parser.fields()[0].value == "b");
        CHECK(parser.done());
    }
}

}  // namespace route::net
