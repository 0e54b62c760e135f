#include "tests/support/upstream_scripts.hpp"

#include <boost/beast/http/status.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

namespace route::test {

namespace {

std::string quoted(std::string_view text)
{
    return boost::json::serialize(boost::json::string{text});
}

}  // namespace

std::string reply_head(unsigned status, const Headers& headers)
{
    const auto reason = boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
    std::string head = "HTTP/1.1 " + std::to_string(status) + " " + std::string{reason} + "\r\n";
    for (const auto& [name, value] : headers) {
        head += name + ": " + value + "\r\n";
    }
    return head + "\r\n";
}

std::string reply_text(unsigned status, const Headers& headers, std::string_view body)
{
    Headers framed = headers;
    framed.emplace_back("Content-Length", std::to_string(body.size()));
    return reply_head(status, framed) + std::string{body};
}

std::string chunk(std::string_view body)
{
    if (body.empty()) {
        return {};  // would end the body
    }
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string size;
    for (std::size_t rest = body.size(); rest > 0; rest /= 16) {
        size.insert(size.begin(), digits[rest % 16]);
    }
    return size + "\r\n" + std::string{body} + "\r\n";
}

std::string chunked_reply(unsigned status, const Headers& headers, const std::vector<std::string>& pieces)
{
    Headers framed = headers;
    framed.emplace_back("Transfer-Encoding", "chunked");
    std::string text = reply_head(status, framed);
    for (const auto& piece : pieces) {
        text += chunk(piece);
    }
    return text.append(last_chunk);
}

std::string chat_reply(std::string_view text)
{
    return R"({"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4o-2024","choices":[)"
           R"({"index":0,"message":{"role":"assistant","content":)" +
           quoted(text) +
           R"(},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}})";
}

std::string upstream_error(std::string_view message)
{
    return R"({"error":{"message":)" + quoted(message) +
           R"(,"type":"server_error","param":null,"code":null}})";
}

std::string data_event(std::string_view data)
{
    return "data: " + std::string{data} + "\n\n";
}

std::string chat_event(std::string_view text)
{
    return data_event(
        R"({"id":"chatcmpl-1","object":"chat.completion.chunk","model":"gpt-4o-2024","choices":[)"
        R"({"index":0,"delta":{"content":)" +
        quoted(text) + R"(},"finish_reason":null}]})");
}

std::vector<std::string> chat_events(std::string_view text)
{
    return {
        chat_event(text),
        data_event(R"({"id":"chatcmpl-1","object":"chat.completion.chunk","model":"gpt-4o-2024","choices":[)"
                   R"({"index":0,"delta":{},"finish_reason":"stop"}]})"),
        std::string{done_event}};
}

std::string joined(const std::vector<std::string>& pieces)
{
    std::string text;
    for (const auto& piece : pieces) {
        text += piece;
    }
    return text;
}

namespace step {

Step read_head()
{
    return Step{.kind = Step::Kind::read_head};
}

Step read_request()
{
    return Step{.kind = Step::Kind::read_request};
}

Step read_some(std::size_t bytes)
{
    return Step{.kind = Step::Kind::read_some, .count = bytes};
}

Step send(std::string bytes)
{
    return Step{.kind = Step::Kind::send, .text = std::move(bytes)};
}

Step send_split(std::string bytes, std::vector<std::size_t> cuts)
{
    return Step{.kind = Step::Kind::send, .text = std::move(bytes), .cuts = std::move(cuts)};
}

Step send_byte_by_byte(std::string bytes)
{
    std::vector<std::size_t> cuts;
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        cuts.push_back(cut);
    }
    return send_split(std::move(bytes), std::move(cuts));
}

Step send_repeated(std::string bytes, std::size_t times)
{
    return Step{.kind = Step::Kind::send, .text = std::move(bytes), .count = times};
}

Step ticket()
{
    return Step{.kind = Step::Kind::ticket};
}

Step cut()
{
    return Step{.kind = Step::Kind::cut};
}

Step half_close()
{
    return Step{.kind = Step::Kind::half_close};
}

Step close()
{
    return Step{.kind = Step::Kind::close};
}

Step reset()
{
    return Step{.kind = Step::Kind::reset};
}

Step wait_for_close()
{
    return Step{.kind = Step::Kind::wait_for_close};
}

Step hold(std::string gate)
{
    return Step{.kind = Step::Kind::hold, .text = std::move(gate)};
}

Step pause(std::chrono::milliseconds time)
{
    return Step{.kind = Step::Kind::pause, .time = time};
}

Step again()
{
    return Step{.kind = Step::Kind::again};
}

}  // namespace step

namespace script {

Script raw(std::string bytes)
{
    return {step::read_request(), step::send(std::move(bytes)), step::again()};
}

Script raw_then_close(std::string bytes)
{
    return {step::read_request(), step::send(std::move(bytes)), step::close()};
}

Script raw_then_half_close(std::string bytes)
{
    return {step::read_request(), step::send(std::move(bytes)), step::half_close(), step::wait_for_close()};
}

Script raw_then_reset(std::string bytes)
{
    return {step::read_request(), step::send(std::move(bytes)), step::reset()};
}

Script raw_then_silence(std::string bytes)
{
    return {step::read_request(), step::send(std::move(bytes)), step::wait_for_close()};
}

Script reply(unsigned status, const Headers& headers, std::string_view body)
{
    return raw(reply_text(status, headers, body));
}

Script chat_reply(std::string_view text)
{
    return reply(200, json_headers, test::chat_reply(text));
}

Script sse(const std::vector<std::string>& events)
{
    return raw(chunked_reply(200, sse_headers, events));
}

Script reset_at_once()
{
    return {step::reset()};
}

Script reset_after_request()
{
    return {step::read_request(), step::reset()};
}

Script close_after_request()
{
    return {step::read_request(), step::close()};
}

Script silence()
{
    return {step::read_request(), step::wait_for_close()};
}

Script half_head()
{
    return raw_then_half_close("HTTP/1.1 200 OK\r\nContent-Type: appli");
}

Script half_chunk()
{
    const std::string body = chunk(test::chat_reply("never"));
    Headers headers = json_headers;
    headers.emplace_back("Transfer-Encoding", "chunked");
    return raw_then_half_close(reply_head(200, headers) + body.substr(0, body.size() / 2));
}

Script wrong_length()
{
    const std::string whole = reply_text(200, json_headers, test::chat_reply("never"));
    return raw_then_half_close(whole.substr(0, whole.size() - 1));
}

Script garbage()
{
    return raw_then_silence("SSH-2.0-OpenSSH_9.2\r\n\r\n");
}

Script flood_1xx(std::size_t n)
{
    std::string bytes;
    for (std::size_t count = 0; count < n; ++count) {
        bytes += "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
    }
    return raw(bytes + reply_text(200, json_headers, test::chat_reply("after 1xx")));
}

Script empty_stream()
{
    return sse({});
}

Script comments_only()
{
    return sse({": keep-alive\n\n", ": keep-alive\n\n"});
}

Script done_only()
{
    return sse({std::string{done_event}});
}

Script error_event_first(std::string_view event)
{
    return raw_then_silence(reply_head(200, chunked_sse_headers) + chunk(": hello\n\n") + chunk(event));
}

Script cut_before_first_event()
{
    return raw_then_half_close(reply_head(200, chunked_sse_headers) + chunk(": keep-alive\n\n") +
                               chunk("data: {\"id\":"));
}

Script cut_after_first_event()
{
    return raw_then_half_close(reply_head(200, chunked_sse_headers) + chunk(chat_event("hel")));
}

Script stall_after_first_event()
{
    return raw_then_silence(reply_head(200, chunked_sse_headers) + chunk(chat_event("hel")));
}

Script stall_inside_first_event()
{
    return raw_then_silence(reply_head(200, chunked_sse_headers) + chunk("data: {\"id\":"));
}

Script reply_then_extra_bytes(std::string extra)
{
    return raw(reply_text(200, json_headers, test::chat_reply("hello")) + std::move(extra));
}

Script close_idle()
{
    return {step::read_request(), step::send(reply_text(200, json_headers, test::chat_reply("hello"))),
            step::hold("idle"), step::close()};
}

Script stale_408()
{
    return {step::read_request(), step::send(reply_text(200, json_headers, test::chat_reply("hello"))),
            step::hold("idle"),
            step::send(reply_text(408, {{"Connection", "close"}}, upstream_error("idle for too long"))),
            step::half_close()};
}

Script reply_then_reset()
{
    return {step::read_request(), step::send(reply_text(200, json_headers, test::chat_reply("hello"))),
            step::read_request(), step::reset()};
}

}  // namespace script

}  // namespace route::test
