#include <cstring>
#include <memory>
#include <random>
#include <string>

#include "core/openai/answer_signs.hpp"
#include "core/openai/event_signs.hpp"
#include "core/openai/reply_text.hpp"
#include "core/openai/request_facts.hpp"
#include "core/openai/sse_parser.hpp"
#include "core/record.hpp"
#include "core/text.hpp"
#include "tests/core/openai/reply_samples.hpp"
#include "tests/support/catch.hpp"

using namespace route;
using namespace std::string_view_literals;

/// Valid inputs, mutated at random (the same way each time), must neither crash a parser nor be read out of
/// bounds: the sanitizers tell.
namespace {

using Random = std::minstd_rand;

std::size_t below(Random& random, std::size_t end)
{
    return std::uniform_int_distribution<std::size_t>{0, end - 1}(random);
}

std::string mutated(std::string text, Random& random)
{
    constexpr std::string_view telling = "{}[]\",:\\\0\xff\xc3\r\n -1ent\x1f"sv;
    for (std::size_t times = 1 + below(random, 4); times > 0 && !text.empty(); --times) {
        const auto at = below(random, text.size());
        const auto length = below(random, std::min<std::size_t>(text.size() - at, 40) + 1);
        switch (below(random, 5)) {
            case 0:
                text[at] = telling[below(random, telling.size())];
                break;
            case 1:
                text.insert(at, 1, telling[below(random, telling.size())]);
                break;
            case 2:
                text.erase(at, length);
                break;
            case 3:
                text.insert(below(random, text.size()), text.substr(at, length));
                break;
            default:
                text.resize(at);
        }
    }
    return text;
}

/// On the heap, so that reading past it is seen.
class Bytes
{
  public:
    Bytes(std::string_view text, std::size_t padding, char fill)
        : size_{text.size()}, bytes_{std::make_unique<char[]>(text.size() + padding)}
    {
        if (!text.empty())
            std::memcpy(bytes_.get(), text.data(), text.size());
        std::memset(bytes_.get() + size_, fill, padding);
    }
    std::string_view view() const { return {bytes_.get(), size_}; }

  private:
    std::size_t size_;
    std::unique_ptr<char[]> bytes_;
};

constexpr int rounds = 3000;

}  // namespace

TEST_CASE("mutated request bodies")
{
    const std::string json =
        R"({"model":"gpt-4o","messages":[{"role":"user","content":"h\u00e4\n"},{}],"stream":true,"mod\u0065ls":[1,-2.5e3,null],"a":{}})";
    const std::string form =
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nRIFF\r\n--b\r\n"
        "Content-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b--\r\n";
    constexpr std::string_view fills = "}]\",{: \0"sv;
    Random random{1};
    for (int i = 0; i < rounds; ++i) {
        const Bytes body{mutated(json, random), body_padding, fills[below(random, fills.size())]};
        const auto facts = read_request_facts("application/json", body.view());
        if (facts && facts->model) {
            REQUIRE(facts->model_begin <= facts->model_end);
            REQUIRE(facts->model_end <= body.view().size());
            REQUIRE(body.view()[facts->model_begin] == '"');
        }
        const Bytes upload{mutated(form, random), body_padding, fills[below(random, fills.size())]};
        const auto type = mutated("multipart/form-data; boundary=\"b\"", random);
        const auto fields = read_request_facts(
            below(random, 4) == 0 ? type : "multipart/form-data; boundary=b", upload.view());
        if (fields && fields->model)
            REQUIRE(upload.view().substr(fields->model_begin, fields->model_end - fields->model_begin) ==
                    *fields->model);
    }
}

TEST_CASE("mutated streams")
{
    Random random{2};
    const auto& samples = reply_samples();
    for (int i = 0; i < rounds; ++i) {
        const Bytes stream{mutated(samples[below(random, samples.size())].stream, random), 0, ' '};
        SseParser parser;
        StreamReply reply{200};
        for (auto rest = stream.view(); !rest.empty();) {
            const Bytes piece{rest.substr(0, 1 + below(random, 300)), 0, ' '};
            parser.feed(piece.view(), [&](const SseEvent& event) {
                (void)signs_of(event);
                reply.add(event);
            });
            rest.remove_prefix(piece.view().size());
        }
        const auto summary = reply.take();
        REQUIRE(summary.text.size() <= 200);
        REQUIRE(valid_utf8(summary.text));
    }
}

TEST_CASE("mutated answers")
{
    Random random{6};
    const auto& samples = reply_samples();
    for (int i = 0; i < rounds; ++i) {
        const Bytes body{mutated(samples[below(random, samples.size())].json, random), 0, ' '};
        const auto api = static_cast<Api>(below(random, static_cast<std::size_t>(Api::other) + 1));
        const auto answer = answer_in(api, body.view());
        const std::string copy{body.view()};
        REQUIRE(answer == answer_in(api, copy));
    }
}

TEST_CASE("mutated events")
{
    Random random{3};
    const auto& samples = reply_samples();
    for (int i = 0; i < rounds; ++i) {
        SseParser parser;
        StreamReply reply{200};
        parser.feed(samples[below(random, samples.size())].stream, [&](const SseEvent& event) {
            const Bytes data{mutated(std::string{event.data}, random), 0, ' '};
            (void)signs_of({event.type, data.view()});
            reply.add({below(random, 2) == 0 ? "" : event.type, data.view()});
        });
        REQUIRE(reply.take().text.size() <= 200);
    }
}

TEST_CASE("mutated JSON replies")
{
    Random random{4};
    const auto& samples = reply_samples();
    for (int i = 0; i < rounds; ++i) {
        const Bytes body{mutated(samples[below(random, samples.size())].json, random), 0, ' '};
        REQUIRE(read_json_reply(body.view(), 100).text.size() <= 100);
        LongJsonReply reply{100};
        for (auto rest = body.view(); !rest.empty();) {
            const Bytes piece{rest.substr(0, 1 + below(random, 100)), 0, ' '};
            reply.write(piece.view());
            rest.remove_prefix(piece.view().size());
        }
        ReplyCapture capture;
        reply.give_to(capture);
        REQUIRE(read_long_json_reply(capture, 100).text.size() <= 100);

        Record record;
        record.body = body.view();
        record.body_bytes = body.view().size() + below(random, 2);
        record.reply.kind = below(random, 2) == 0 ? ReplyCapture::Kind::json : ReplyCapture::Kind::text;
        record.reply.raw = body.view();
        record.reply.raw_cut = below(random, 2) == 0;
        record.response_bytes = body.view().size();
        complete_record(record, {true, below(random, 600), true, below(random, 600)});
        REQUIRE(valid_utf8(record.body));
        REQUIRE(valid_utf8(record.response));
        complete_record(record, {true, 600, true, 600});
        REQUIRE(valid_utf8(record.body));
    }
}

TEST_CASE("random bytes as text")
{
    Random random{5};
    for (int i = 0; i < rounds; ++i) {
        std::string text;
        for (std::size_t size = below(random, 40); size > 0; --size)
            text +=
                static_cast<char>(below(random, 3) == 0 ? below(random, 256) : 0x80 + below(random, 0x80));
        const Bytes bytes{text, 0, ' '};
        const auto clean = clean_utf8(text);
        REQUIRE(valid_utf8(clean));
        REQUIRE(clean_utf8(clean) == clean);
        const auto limit = below(random, 50);
        REQUIRE(cut_utf8(bytes.view(), limit).size() <= limit);
        REQUIRE(valid_utf8(cut_utf8(clean, limit)));
        REQUIRE(without_split_end(bytes.view()).size() + 3 >= text.size());
        const auto escaped = escape_for_log(bytes.view(), limit + 3);
        REQUIRE(valid_utf8(escaped));
        REQUIRE(escaped.size() <= limit + 3);
    }
}
