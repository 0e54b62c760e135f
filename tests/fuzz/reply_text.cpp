// What replies say: streams, JSON and JSON too long to hold, up to the record. The first number chooses how
// much is kept, the second how the bytes are split.
#include "core/openai/reply_text.hpp"

#include <string>

#include "core/openai/made_ids.hpp"
#include "core/record.hpp"
#include "core/text.hpp"
#include "tests/fuzz/input.hpp"

using namespace route;
using namespace route::fuzz;

namespace {

void check_equal(const ReplySummary& found, const ReplySummary& expected, std::string_view property)
{
    require_equal(found.text, expected.text, property);
    require_equal(found.finish_reason, expected.finish_reason, property);
    require(found.text_cut == expected.text_cut && found.prompt_tokens == expected.prompt_tokens &&
                found.completion_tokens == expected.completion_tokens &&
                found.total_tokens == expected.total_tokens,
            property);
}

ReplySummary read_stream(std::string_view bytes, std::size_t most, unsigned choice)
{
    SseParser parser;
    StreamReply reply{most};
    in_pieces(bytes, choice, [&](std::string_view piece) {
        parser.feed(piece, [&](const SseEvent& event) { reply.add(event); });
    });
    return reply.take();
}

ReplySummary read_long_json(std::string_view bytes, std::size_t most, unsigned choice)
{
    LongJsonReply reply{most};
    in_pieces(bytes, choice, [&](std::string_view piece) { reply.write(piece); });
    ReplyCapture capture;
    reply.give_to(capture);
    require(capture.raw.size() <= most, "the beginning of long JSON is bounded");
    return read_long_json_reply(capture, most);
}

Record recorded(std::string_view bytes, ReplyCapture::Kind kind, bool cut, const RecordLimits& limits)
{
    Record record;
    record.body = bytes;
    record.body_bytes = bytes.size() + (cut ? 1 : 0);
    record.body_cut = cut;
    record.body_content_type = "application/json";
    record.reply.kind = kind;
    record.reply.content_type = "application/json";
    record.reply.raw = bytes;
    record.response_bytes = bytes.size() + (cut ? 1 : 0);
    complete_record(record, limits);
    return record;
}

void check_record(std::string_view bytes, ReplyCapture::Kind kind, bool cut, std::size_t most)
{
    constexpr std::size_t mark = 64;
    const RecordLimits limits{true, most, true, most};
    auto record = recorded(bytes, kind, cut, limits);
    for (const auto* text : {&record.body, &record.response, &record.finish_reason}) {
        require(valid_utf8(*text), "a record is UTF-8");
        require(text->find('\0') == std::string::npos, "a record holds no NUL");
    }
    require(record.body.size() <= most + mark && record.response.size() <= most * 3 + mark,
            "a record keeps no more than it may");
    const auto body = record.body;
    const auto response = record.response;
    complete_record(record, limits);
    require_equal(record.body, body, "a record is complete after the first time");
    require_equal(record.response, response, "a record is complete after the first time");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const auto most = std::size_t{input.choose() % 600};
    const auto choice = input.choose();
    const Bytes bytes{input.bytes()};

    const auto stream = read_stream(bytes.view(), most, choice);
    require(valid_utf8(stream.text) && stream.text.size() <= most, "a stream's text is UTF-8 and bounded");
    check_equal(read_stream(bytes.view(), most, in_single_bytes), stream,
                "a stream does not depend on the split");

    StreamReply event{most};
    event.add({"", bytes.view()});
    require(valid_utf8(event.take().text), "an event's text is UTF-8");

    const auto json = read_json_reply(bytes.view(), most);
    require(json.text.size() <= most, "the text of JSON is bounded");

    const auto long_json = read_long_json(bytes.view(), most, choice);
    require(long_json.text.size() <= most, "the text of long JSON is bounded");
    check_equal(read_long_json(bytes.view(), most, in_single_bytes), long_json,
                "long JSON does not depend on the split");

    for (const auto making : {Making::thing, Making::response, Making::message, Making::run}) {
        IdHashes ids;
        add_made_ids(making, bytes.view(), ids);
        add_made_ids(making, SseEvent{"", bytes.view()}, ids);
        add_made_ids(making, SseEvent{"response.created", bytes.view(), SseEvent::Part::beginning}, ids);
        require(ids.size() <= most_made_ids, "so many made ids count");
    }

    check_record(bytes.view(), choice % 2 == 0 ? ReplyCapture::Kind::json : ReplyCapture::Kind::text,
                 choice % 3 == 0, most);
    return 0;
}
