// Heads and bodies of HTTP/1.1 messages, requests and replies, against a reader that takes what the standard
// has and no more. The number chooses how a body is split.
#include "core/net/http/message_parser.hpp"

#include <string>

#include "core/text.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/fuzz/reference_http.hpp"

using namespace route;
using namespace route::fuzz;
using namespace route::net;

namespace {

void check_fields(const HeaderFields& fields, const Head& expected)
{
    require(fields.size() == expected.fields.size(), "every field line is a field");
    for (std::size_t i = 0; i < fields.size(); ++i) {
        require(equal_ignoring_case(fields[i].name, expected.fields[i].first), "a field has the name it has");
        require_equal(fields[i].value, expected.fields[i].second, "a field has the value it has");
    }
}

void check_framing(const Head& head)
{
    const auto lengths = head.count("content-length");
    const auto codings = head.count("transfer-encoding");
    require(lengths + codings <= 1, "a message has one framing");
    require(lengths == 0 || number(head.value("content-length")).has_value(), "a length is a number");
    require(codings == 0 || equal_ignoring_case(head.value("transfer-encoding"), "chunked"),
            "no coding but chunked");
}

struct Decoded
{
    std::string content;
    std::size_t consumed = 0;
    bool failed = false;
};

/// As sessions and attempts do it: what was not consumed is presented again in front of what comes next.
template <bool is_request>
Decoded decode(MessageParser<is_request>& parser, std::string_view bytes, unsigned choice)
{
    Decoded decoded;
    std::string carried;
    in_pieces(bytes, choice, [&](std::string_view piece) {
        if (decoded.failed || parser.done())
            return;
        carried += piece;
        error_code error;
        const auto consumed = parser.body(carried.data(), carried.size(), error);
        decoded.failed = error.failed();
        require(consumed <= carried.size(), "no more is consumed than there was");
        if (decoded.failed)
            return;
        decoded.content += parser.payload();
        decoded.consumed += consumed;
        carried.erase(0, consumed);
    });
    return decoded;
}

template <bool is_request>
Body expected_body(const Head& head, std::string_view bytes, bool bodiless)
{
    if constexpr (is_request)
        return read_request_body(head, bytes);
    else
        return read_reply_body(head, bytes, bodiless, true);
}

template <bool is_request>
void check(std::string_view bytes, unsigned choice)
{
    const auto length = head_length(bytes);
    if (length == 0)
        return;
    const Bytes head{bytes.substr(0, length)};
    const bool bodiless = !is_request && choice % 8 == 7;
    MessageParser<is_request> parser;
    MessageParser<is_request> other;
    if (bodiless) {
        parser.expect_no_body();
        other.expect_no_body();
    }
    if (parser.parse_head(head.view()) || other.parse_head(head.view()))
        return;
    require(clean_head(head.view()), "a head has no bare CR, LF or NUL");
    const auto expected = read_head(head.view());
    require(expected.has_value(), "a head is one for the standard");
    require(expected->size == length, "a head ends where it ends");
    check_fields(parser.fields(), *expected);
    check_framing(*expected);
    if constexpr (!is_request)
        require(parser.status() == status_of(*expected), "a status is what the line says");
    else
        require_equal(parser.method(), expected->word(0), "a method is what the line says");

    const auto rest = bytes.substr(length);
    const auto body = expected_body<is_request>(*expected, rest, bodiless);
    const auto whole = decode(parser, rest, in_one_piece);
    const auto pieces = decode(other, rest, choice);
    require(whole.failed == pieces.failed, "what is valid does not depend on the split");
    if (whole.failed)
        return;
    require(parser.done() == other.done() && whole.consumed == pieces.consumed,
            "an end does not depend on the split");
    require_equal(pieces.content, whole.content, "a body does not depend on the split");
    const bool ended = parser.done() || (parser.needs_end_of_stream() && !parser.end_of_stream());
    require(ended == (body.end == BodyEnd::whole), "a body is whole when the standard says so");
    if (!ended)
        return;
    require_equal(whole.content, body.content, "a body is what the standard says");
    require(whole.consumed == body.size, "a body ends where the standard says");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const auto choice = input.choose();
    const Bytes bytes{input.bytes()};
    check<true>(bytes.view(), choice);
    check<false>(bytes.view(), choice);
    return 0;
}
