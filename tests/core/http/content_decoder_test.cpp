#include "core/http/content_decoder.hpp"

#include <algorithm>
#include <random>
#include <string>

#include "tests/support/catch.hpp"
#include "tests/support/compression.hpp"

using namespace route;
using namespace std::string_literals;
using test::compressed;
using test::Format;
using Coding = ContentDecoder::Coding;
using State = ContentDecoder::State;

namespace {

const std::string text = "data: {\"text\":\"h\u00e9llo \U0001F30D\"}\n\ndata: {\"text\":\"hello\"}\n\n";

/// What comes out of bytes that go in `step` at a time, and how it ends.
struct Decoded
{
    std::string content;
    State state = State::open;
    std::size_t largest_piece = 0;
    bool has_content = false;
};

Decoded decoded(Coding coding, std::string_view bytes, std::size_t step = std::string::npos)
{
    ContentDecoder decoder{coding};
    Decoded result;
    while (!bytes.empty()) {
        decoder.feed(bytes.substr(0, step), [&](std::string_view content) {
            result.content += content;
            result.largest_piece = std::max(result.largest_piece, content.size());
        });
        bytes.remove_prefix(std::min(step, bytes.size()));
    }
    result.state = decoder.state();
    result.has_content = decoder.has_content();
    CHECK(decoder.gave_up() == (result.state == State::corrupt || result.state == State::excessive));
    return result;
}

Coding coding_of(Format format)
{
    switch (format) {
        case Format::gzip:
            return Coding::gzip;
        case Format::zstd:
            return Coding::zstd;
        case Format::brotli:
            return Coding::brotli;
        default:
            return Coding::deflate;
    }
}

/// Text that hardly packs.
std::string noise(std::size_t size)
{
    std::mt19937 random{7};
    std::string bytes(size, '\0');
    for (auto& byte : bytes)
        byte = static_cast<char>(random());
    return bytes;
}

}  // namespace

TEST_CASE("the names of codings")
{
    for (const auto* name : {"gzip", "GZIP", "x-gzip", "X-GZip", " gzip\t"})
        CHECK(ContentDecoder::coding(name) == Coding::gzip);
    for (const auto* name : {"deflate", "Deflate"})
        CHECK(ContentDecoder::coding(name) == Coding::deflate);
    for (const auto* name : {"zstd", "ZStd"})
        CHECK(ContentDecoder::coding(name) == Coding::zstd);
    for (const auto* name : {"br", "BR"})
        CHECK(ContentDecoder::coding(name) == Coding::brotli);
    for (const auto* name : {"", "brotli", "x-zstd", "compress", "identity", "gzip, br", "gzip,gzip",
                             "gzip gzip", "gzipp", "x-deflate"})
        CHECK_FALSE(ContentDecoder::coding(name));
    CHECK(ContentDecoder{Coding::gzip}.name() == "gzip");
    CHECK(ContentDecoder{Coding::deflate}.name() == "deflate");
    CHECK(ContentDecoder{Coding::zstd}.name() == "zstd");
    CHECK(ContentDecoder{Coding::brotli}.name() == "br");
}

TEST_CASE("every format decodes, split at every byte")
{
    const auto format =
        GENERATE(Format::gzip, Format::zlib, Format::bare_deflate, Format::zstd, Format::brotli);
    const auto bytes = compressed(format, text);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        ContentDecoder decoder{coding_of(format)};
        std::string content;
        const auto add = [&](std::string_view piece) { content += piece; };
        decoder.feed(std::string_view{bytes}.substr(0, cut), add);
        REQUIRE(text.starts_with(content));
        REQUIRE(decoder.state() == (cut == bytes.size() ? State::whole : State::open));
        decoder.feed(std::string_view{bytes}.substr(cut), add);
        REQUIRE(content == text);
        REQUIRE(decoder.state() == State::whole);
    }
    for (std::size_t step = 1; step < 8; ++step)
        CHECK(decoded(coding_of(format), bytes, step).content == text);
}

TEST_CASE("deflate tells zlib's format from bare deflate by its first byte")
{
    const auto level = GENERATE(0x7801, 0x785e, 0x789c, 0x78da, 0x08d7, 0x1895);
    auto bytes = compressed(Format::zlib, text);
    bytes[0] = static_cast<char>(level >> 8);
    bytes[1] = static_cast<char>(level & 0xff);
    const auto result = decoded(Coding::deflate, bytes, 1);
    // Windows too small for what was packed are zlib's to refuse, not to be taken for bare deflate.
    if (result.state == State::whole)
        CHECK(result.content == text);
    else
        CHECK(result.state == State::corrupt);
    // A stored block, the plainest bare deflate there is.
    CHECK(decoded(Coding::deflate, "\x01\x02\x00\xfd\xffok"s, 1).content == "ok");
}

TEST_CASE("what has been flushed comes out at once")
{
    const auto format =
        GENERATE(Format::gzip, Format::zlib, Format::bare_deflate, Format::zstd, Format::brotli);
    const std::vector<std::string> pieces{"data: a\n\n", "data: b\n\n", std::string(100'000, 'c'), "end"};
    const auto packed = test::compressed_pieces(format, pieces);
    ContentDecoder decoder{coding_of(format)};
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        std::string content;
        decoder.feed(packed[i], [&](std::string_view piece) { content += piece; });
        CHECK(content == pieces[i]);
    }
    CHECK(decoder.state() == State::whole);
}

TEST_CASE("members of gzip follow each other")
{
    const auto first = compressed(Format::gzip, "one ");
    const auto empty = compressed(Format::gzip, "");
    const auto last = compressed(Format::gzip, "two");
    for (const std::size_t step : {std::string::npos, std::size_t{1}, std::size_t{7}}) {
        const auto result = decoded(Coding::gzip, first + empty + last + empty, step);
        CHECK(result.content == "one two");
        CHECK(result.state == State::whole);
        const auto half = decoded(Coding::gzip, first + last.substr(0, last.size() - 1), step);
        CHECK(half.content == "one two");
        CHECK(half.state == State::open);
    }
}

TEST_CASE("frames of zstd follow each other, and some are skipped")
{
    const auto first = compressed(Format::zstd, "one ");
    const auto last = compressed(Format::zstd, "two");
    const auto skipped = "\x53\x2a\x4d\x18\x03\0\0\0abc"s;
    for (const std::size_t step : {std::string::npos, std::size_t{1}, std::size_t{7}}) {
        const auto result = decoded(Coding::zstd, skipped + first + skipped + last + skipped, step);
        CHECK(result.content == "one two");
        CHECK(result.state == State::whole);
    }
}

TEST_CASE("a frame of zstd that asks for a window over 8 MiB is given up")
{
    // Magic number, no content size, a window of 2^23 and of 2^24 bytes, an empty last block.
    const auto frame = [](int exponent) {
        return "\x28\xb5\x2f\xfd"s + '\0' + static_cast<char>((exponent - 10) << 3) + "\x01\0\0"s;
    };
    CHECK(decoded(Coding::zstd, frame(23)).state == State::whole);
    CHECK(decoded(Coding::zstd, frame(24)).state == State::corrupt);
}

TEST_CASE("any byte of zstd and brotli changed does no harm")
{
    const auto format = GENERATE(Format::zstd, Format::brotli);
    const auto bytes = compressed(format, text + noise(300));
    for (std::size_t at = 0; at < bytes.size(); ++at)
        for (const int bit : {0x01, 0x80, 0xff}) {
            auto changed = bytes;
            changed[at] = static_cast<char>(changed[at] ^ bit);
            const auto result = decoded(coding_of(format), changed, at % 2 == 0 ? std::string::npos : 1);
            REQUIRE(result.content.size() <= ContentDecoder::allowance + 100 * changed.size());
        }
}

TEST_CASE("nothing at all, and nothing compressed")
{
    const auto format =
        GENERATE(Format::gzip, Format::zlib, Format::bare_deflate, Format::zstd, Format::brotli);
    CHECK(decoded(coding_of(format), "").state == State::open);
    const auto result = decoded(coding_of(format), compressed(format, ""), 1);
    CHECK(result.state == State::whole);
    CHECK_FALSE(result.has_content);
}

TEST_CASE("what follows the end is passed over")
{
    const auto format =
        GENERATE(Format::gzip, Format::zlib, Format::bare_deflate, Format::zstd, Format::brotli);
    const auto garbage = GENERATE("\0\0\0\0"s, "garbage"s, "x\x1f\x8b\x08"s);
    for (const std::size_t step : {std::string::npos, std::size_t{1}}) {
        const auto result = decoded(coding_of(format), compressed(format, text) + garbage, step);
        CHECK(result.content == text);
        CHECK(result.state == State::whole);
    }
    const auto result = decoded(Coding::gzip, compressed(Format::gzip, text) + "\x1fno member");
    CHECK(result.content == text);
    CHECK(result.state == State::corrupt);
}

TEST_CASE("a body cut anywhere gives the text up to there")
{
    const auto format =
        GENERATE(Format::gzip, Format::zlib, Format::bare_deflate, Format::zstd, Format::brotli);
    const auto bytes = compressed(format, text);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto result = decoded(coding_of(format), bytes.substr(0, size));
        REQUIRE(result.state == State::open);
        REQUIRE(text.starts_with(result.content));
        REQUIRE(result.has_content == !result.content.empty());
    }
}

TEST_CASE("what is not what it was said to be is given up")
{
    CHECK(decoded(Coding::gzip, text).state == State::corrupt);
    CHECK(decoded(Coding::gzip, compressed(Format::zlib, text)).state == State::corrupt);
    CHECK(decoded(Coding::deflate, compressed(Format::gzip, text)).state == State::corrupt);
    CHECK(decoded(Coding::deflate, "\xff\xff\xff").state == State::corrupt);
    CHECK(decoded(Coding::zstd, text).state == State::corrupt);
    CHECK(decoded(Coding::zstd, compressed(Format::gzip, text)).state == State::corrupt);
    CHECK(decoded(Coding::brotli, "\xff\xff\xff\xff\xff\xff").state == State::corrupt);
    CHECK(decoded(Coding::deflate, "\x78\xbb\x01\x02\x03\x04").state ==
          State::corrupt);  // a preset dictionary
    auto wrong_sum = compressed(Format::gzip, text);
    wrong_sum[wrong_sum.size() - 8] ^= 1;
    for (const std::size_t step : {std::string::npos, std::size_t{1}}) {
        const auto result = decoded(Coding::gzip, wrong_sum + compressed(Format::gzip, "more"), step);
        CHECK(result.state == State::corrupt);
        CHECK(result.content == text);
    }
}

TEST_CASE("any byte of it changed does no harm")
{
    const auto format = GENERATE(Format::gzip, Format::zlib, Format::bare_deflate);
    const auto bytes = compressed(format, text + noise(300));
    for (std::size_t at = 0; at < bytes.size(); ++at) {
        for (const int bit : {0x01, 0x10, 0x80, 0xff}) {
            auto changed = bytes;
            changed[at] = static_cast<char>(changed[at] ^ bit);
            const auto at_once = decoded(coding_of(format), changed);
            const auto by_bytes = decoded(coding_of(format), changed, 1);
            REQUIRE(at_once.state == by_bytes.state);
            REQUIRE(at_once.content == by_bytes.content);
        }
    }
}

TEST_CASE("random bytes do no harm")
{
    std::mt19937 random{3};
    for (int i = 0; i < 20'000; ++i) {
        std::string bytes(random() % 60, '\0');
        for (auto& byte : bytes)
            byte = static_cast<char>(random());
        if (random() % 2 == 0)
            bytes.insert(0, "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"s);
        constexpr std::array codings{Coding::gzip, Coding::deflate, Coding::zstd, Coding::brotli};
        decoded(codings[random() % codings.size()], bytes, 1 + random() % 20);
    }
}

TEST_CASE("what decodes to far more than it is, is given up")
{
    const auto format =
        GENERATE(Format::gzip, Format::zlib, Format::bare_deflate, Format::zstd, Format::brotli);
    const auto bomb = compressed(format, std::string(64u << 20, '\0'));
    REQUIRE(bomb.size() < 70'000);
    for (const std::size_t step : {std::string::npos, std::size_t{1000}}) {
        const auto result = decoded(coding_of(format), bomb, step);
        CHECK(result.state == State::excessive);
        CHECK(result.content.size() <= ContentDecoder::allowance + ContentDecoder::usual_ratio * bomb.size());
        CHECK(result.largest_piece <= ContentDecoder::piece_size);
    }
}

TEST_CASE("a bomb behind much that hardly packs, or in many members, is given up as well")
{
    const auto much = compressed(Format::gzip, noise(4u << 20));
    const auto bomb = compressed(Format::gzip, std::string(8u << 20, '\0'));
    const auto behind = decoded(Coding::gzip, much + bomb);
    CHECK(behind.state == State::excessive);
    CHECK(behind.content.size() <
          (4u << 20) + ContentDecoder::allowance + ContentDecoder::usual_ratio * bomb.size());
    const auto member = compressed(Format::gzip, std::string(100'000, '\0'));
    std::string members;
    for (int i = 0; i < 100; ++i)
        members += member;
    CHECK(decoded(Coding::gzip, members).state == State::excessive);
}

TEST_CASE("what packs very well is no bomb")
{
    const auto format =
        GENERATE(Format::gzip, Format::zlib, Format::bare_deflate, Format::zstd, Format::brotli);
    const std::string million(1'000'000, ' ');
    CHECK(decoded(coding_of(format), compressed(format, million)).content.size() == million.size());
    std::string table;
    std::uint64_t number = 1;
    for (int i = 0; table.size() < (20u << 20); ++i) {
        number = number * 6'364'136'223'846'793'005u + 1'442'695'040'888'963'407u;
        table += "{\"index\":" + std::to_string(i) + ",\"value\":0." + std::to_string(number >> 48) +
                 ",\"object\":\"embedding\"},";
    }
    const auto result = decoded(coding_of(format), compressed(format, table));
    CHECK((result.content == table));
    CHECK(result.state == State::whole);
}
