#include "core/http/reply_kind.hpp"

#include <string>
#include <string_view>

#include "tests/support/catch.hpp"

using namespace route;

namespace {

const std::string_view unspecific[]{
    "", "text/plain", "text/plain; charset=utf-8", "TEXT/HTML", "application/octet-stream", "text/json"};

struct Sniffed
{
    std::string_view bytes;
    ReplyKind kind;
};

const std::string mp3 = "ID3\x04" + std::string(3, '\0') + "\xFF\xFB" + std::string(100, '\1');
const std::string page = "\n<!DOCTYPE html>\n<html><head>";
const std::string long_text(200, 'a');

}  // namespace

TEST_CASE("where the label says little, the bytes say what a reply is")
{
    const Sniffed table[]{
        {"data: {}\n\n", ReplyKind::event_stream},
        {"data:{}\n\n", ReplyKind::event_stream},
        {"event: message_start\n", ReplyKind::event_stream},
        {"id: 1\ndata: x", ReplyKind::event_stream},
        {"retry: 10\n", ReplyKind::event_stream},
        {": OPENROUTER PROCESSING\n\n", ReplyKind::event_stream},
        {"\xEF\xBB\xBF\r\n\r\ndata: x", ReplyKind::event_stream},
        {"{\"id\":1}", ReplyKind::json},
        {"  \n {\"id\":1}", ReplyKind::json},
        {"[{\"error\":1}]", ReplyKind::json},
        {"<!doctype HTML>", ReplyKind::html},
        {page, ReplyKind::html},
        {"<html lang=en>", ReplyKind::html},
        {"Bad gateway", ReplyKind::text},
        {"dat", ReplyKind::text},
        {"<", ReplyKind::text},
        {"", ReplyKind::text},
        {long_text, ReplyKind::text},
        {mp3, ReplyKind::other},
        {"\xFF\xFB\x90", ReplyKind::other},
    };
    for (const auto type : unspecific)
        for (const auto& row : table) {
            CAPTURE(type, row.bytes);
            CHECK(sniff_kind(type, row.bytes, true) == row.kind);
        }
}

TEST_CASE("labels that say more are believed, but not against events, JSON or a page")
{
    struct Row
    {
        std::string_view type;
        std::string_view bytes;
        ReplyKind kind;
    };
    const Row table[]{
        {"text/event-stream", "data: x", ReplyKind::event_stream},
        {"text/event-stream; charset=utf-8", "hello", ReplyKind::event_stream},
        {"text/event-stream", "", ReplyKind::event_stream},
        {"text/event-stream", "{\"error\":{}}", ReplyKind::json},
        {"text/event-stream", page, ReplyKind::html},
        {"application/json", "{}", ReplyKind::json},
        {"application/json", "data: {}\n\n", ReplyKind::event_stream},
        {"application/json", ": hi\n\n", ReplyKind::event_stream},
        {"application/problem+json", "{}", ReplyKind::json},
        {"application/json", "hello", ReplyKind::json},
        {"application/json", "", ReplyKind::json},
        {"application/json", page, ReplyKind::html},
        {"application/xml", "<a/>", ReplyKind::text},
        {"application/xml", "<html>", ReplyKind::html},
        {"audio/mpeg", "{}", ReplyKind::other},
        {"audio/mpeg", "", ReplyKind::other},
        {"image/png", "data: x", ReplyKind::other},
        {"application/x-ndjson", "{}", ReplyKind::other},
        {"application/jsonl", "{}", ReplyKind::other},
    };
    for (const auto& row : table) {
        CAPTURE(row.type, row.bytes);
        CHECK(sniff_kind(row.type, row.bytes, true) == row.kind);
    }
}

TEST_CASE("nothing is said before it is known, and then the same however the bytes come")
{
    for (const std::string_view type :
         {"", "text/plain", "application/json", "text/event-stream", "audio/mpeg"})
        for (const std::string_view whole :
             {std::string_view{"data: x\n\n"}, std::string_view{"event: x\n\n"},
              std::string_view{" \r\n{\"a\":1}"}, std::string_view{page}, std::string_view{long_text},
              std::string_view{mp3}, std::string_view{"\xEF\xBB\xBF: x\n\n"},
              std::string_view{"retrying is of no use"}}) {
            CAPTURE(type, whole);
            const auto expected = sniff_kind(type, whole, true);
            REQUIRE(expected);
            for (std::size_t size = 0; size <= whole.size(); ++size) {
                const auto early = sniff_kind(type, whole.substr(0, size), false);
                CHECK((!early || *early == *expected));
            }
        }
    CHECK_FALSE(sniff_kind("", "", false));
    CHECK_FALSE(sniff_kind("application/json", "  ", false));
    CHECK_FALSE(sniff_kind("application/json", "dat", false));
    CHECK_FALSE(sniff_kind("text/plain", "<!doc", false));
    CHECK_FALSE(sniff_kind("", "hello", false));
    CHECK(sniff_kind("", long_text, false) == ReplyKind::text);
    CHECK(sniff_kind("audio/mpeg", "", false) == ReplyKind::other);
    const std::string blanks(most_sniffed, ' ');
    CHECK(sniff_kind("application/json", blanks, false) == ReplyKind::json);
    CHECK(sniff_kind("text/plain", blanks, false) == ReplyKind::text);
}

TEST_CASE("codings that say nothing, and those that say something")
{
    for (const std::string_view coding : {"", "identity", "None", " utf-8 ", "UTF8"}) {
        CAPTURE(coding);
        CHECK(is_no_coding(coding));
        CHECK_FALSE(is_known_coding(coding));
    }
    for (const std::string_view coding :
         {"gzip", "X-GZIP", "deflate", "br", "zstd", "compress", "gzip, br", "json, gzip"}) {
        CAPTURE(coding);
        CHECK_FALSE(is_no_coding(coding));
        CHECK(is_known_coding(coding));
    }
    for (const std::string_view coding : {"json", "binary", "x-unknown", "chunked"}) {
        CAPTURE(coding);
        CHECK_FALSE(is_no_coding(coding));
        CHECK_FALSE(is_known_coding(coding));
    }
}

TEST_CASE("plain text is told from bytes")
{
    CHECK(is_plain_text(""));
    CHECK(is_plain_text("hello\r\n\tworld"));
    CHECK(is_plain_text("\u00e4\xe6\xbc"));
    CHECK_FALSE(is_plain_text("\x1f\x8b"));
    CHECK_FALSE(is_plain_text(std::string_view{"a\0b", 3}));
    CHECK_FALSE(is_plain_text("\xff"));
}
