// What is said over a WebSocket: any bytes as frames, split anywhere; and lines as messages of the two sides
// (`>` the client's, `<` the server's), framed and compressed, which come out again, up to the responses. The
// first number chooses the split, the second how they are compressed and which API it is.
#include <optional>
#include <string>
#include <vector>

#include "core/http/websocket_messages.hpp"
#include "core/openai/open_responses.hpp"
#include "core/openai/socket_responses.hpp"
#include "core/text.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/support/websocket_frames.hpp"

using namespace route;
using namespace route::fuzz;

namespace {

/// What is read of a direction: its messages, parts put together.
struct Direction
{
    std::vector<std::string> messages;
    bool unfinished = false;
    bool legible = true;
    std::optional<WebSocketClose> closed{};

    bool operator==(const Direction&) const = default;
};

Direction read_direction(std::string_view bytes, WebSocketDeflate deflate, unsigned choice)
{
    WebSocketMessages reader{deflate};
    Direction direction;
    in_pieces(bytes, choice, [&](std::string_view piece) {
        reader.feed(piece, [&](const SseEvent& message) {
            require(message.is_new() != direction.unfinished, "parts come in their order");
            if (message.is_new())
                direction.messages.emplace_back();
            direction.messages.back() += message.data;
            direction.unfinished =
                message.part == SseEvent::Part::beginning || message.part == SseEvent::Part::middle;
        });
        require(reader.held() <= 2 * WebSocketMessages::max_whole, "what is held is bounded");
    });
    direction.legible = reader.legible();
    direction.closed = reader.closed();
    return direction;
}

Direction read_any_split(std::string_view bytes, WebSocketDeflate deflate, unsigned choice)
{
    const auto whole = read_direction(bytes, deflate, in_one_piece);
    require(read_direction(bytes, deflate, choice) == whole, "messages do not depend on the split");
    require(read_direction(bytes, deflate, in_single_bytes) == whole, "messages do not depend on the split");
    return whole;
}

struct Line
{
    bool of_client;
    std::string text;
};

std::vector<Line> lines_of(std::string_view text)
{
    std::vector<Line> lines;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (!line.empty())
            lines.push_back({line.front() == '>', std::string{line.substr(1)}});
    }
    return lines;
}

/// As a peer writes them: masked or not, in fragments, with a ping between them.
std::string framed(const std::vector<std::string>& messages, WebSocketDeflate deflate, bool masked)
{
    constexpr std::uint32_t some_mask = 0x9ac3f071;
    constexpr unsigned ping = 9;
    const std::uint32_t mask = masked ? some_mask : 0;
    test::MessageDeflater deflater{deflate.no_context_takeover};
    std::string bytes;
    for (std::size_t i = 0; i < messages.size(); ++i) {
        // Every third is sent as it is, which is allowed.
        const bool compressed = deflate.agreed && i % 3 != 2;
        const auto payload = compressed ? deflater.deflate(messages[i]) : messages[i];
        const auto first = i % 2 == 0 ? payload.size() : payload.size() / 3;
        const bool in_fragments = first < payload.size();
        bytes += test::frame(std::string_view{payload}.substr(0, first),
                             {.final = !in_fragments, .compressed = compressed, .mask = mask});
        if (!in_fragments)
            continue;
        bytes += test::frame("ping", {.opcode = ping, .mask = mask});
        bytes += test::frame(std::string_view{payload}.substr(first), {.opcode = 0, .mask = mask});
    }
    return bytes;
}

void check_response(const SocketResponse& response, SocketResponses::Limits limits, SocketResponse::Time now)
{
    require(response.asked.size() <= limits.max_asked && response.asked.size() <= response.asked_bytes,
            "what was asked is bounded");
    require(response.asked_cut == (response.asked_bytes > response.asked.size()), "what is cut is marked");
    require(response.asked.find('\r') == std::string::npos, "a message is a line");
    require(response.summary.text.size() <= limits.max_text && valid_utf8(response.summary.text),
            "a response's text is UTF-8 and bounded");
    require(response.ended <= now && response.began <= response.first_message.value_or(response.ended) &&
                response.first_message.value_or(response.ended) <=
                    response.first_content.value_or(response.ended) &&
                response.first_content.value_or(response.ended) <= response.ended,
            "time does not go back");
    require(response.ended == now || response.end == SocketResponse::End::failed,
            "only an error comes before it is known to be the end");
    require(response.end != SocketResponse::End::displaced || response.first_message,
            "what the server said nothing of is not displaced");
    require(response.end == SocketResponse::End::failed || response.error.empty(),
            "only failures have words");
}

/// `in_parts`: each message comes as a long one would.
void check_responses(const std::vector<Line>& lines, SocketApi api, std::size_t most, bool in_parts)
{
    const SocketResponses::Limits limits{most, most};
    SocketResponses reader{api, "", limits};
    SocketResponse::Time now{};
    std::size_t begun = 0;
    const auto on_response = [&](const SocketResponse& response) {
        check_response(response, limits, now);
        ++begun;
    };
    const auto pass = [&](const Line& line, std::string_view text, SseEvent::Part part) {
        const Bytes bytes{text};
        if (line.of_client)
            reader.from_client({{}, bytes.view(), part}, now, on_response);
        else
            reader.from_server({{}, bytes.view(), part}, now, on_response);
    };
    for (const auto& line : lines) {
        now += std::chrono::milliseconds{1};
        const std::string_view text{line.text};
        if (in_parts) {
            pass(line, text.substr(0, text.size() / 2), SseEvent::Part::beginning);
            pass(line, text.substr(text.size() / 2), SseEvent::Part::middle);
            pass(line, {}, SseEvent::Part::end);
        } else {
            pass(line, text, SseEvent::Part::whole);
        }
        require(reader.open() <= OpenResponses::most, "so many are open and no more");
    }
    reader.finish(now, on_response);
    require(reader.open() == 0, "all have ended");
    require(begun <= lines.size(), "no message begins two responses");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Input input{data, size};
    const auto choice = input.choose();
    const auto form = input.choose();
    const WebSocketDeflate deflate{form % 2 != 0, form / 2 % 2 != 0};
    const auto api = form / 4 % 2 != 0 ? SocketApi::realtime : SocketApi::responses;
    const auto most = std::size_t{form / 8 % 1024};
    const Bytes bytes{input.bytes()};

    read_any_split(bytes.view(), deflate, choice);
    (void)read_websocket_extensions(bytes.view());

    const auto lines = lines_of(bytes.view());
    for (const bool of_client : {true, false}) {
        std::vector<std::string> messages;
        for (const auto& line : lines)
            if (line.of_client == of_client)
                messages.push_back(line.text);
        const auto read = read_any_split(framed(messages, deflate, of_client), deflate, choice);
        require(read == Direction{.messages = messages}, "messages come out as they went in");
    }
    check_responses(lines, api, most, false);
    check_responses(lines, api, most, true);
    return 0;
}
