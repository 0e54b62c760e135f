#include "tests/support/test_client.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <deque>
#include <optional>
#include <set>
#include <utility>

#include "tests/support/asio.hpp"
#include "tests/support/turns.hpp"

namespace route::test {

namespace http = boost::beast::http;

struct TestClient::State
{
    explicit State(asio::io_context& io) : socket{io}, changed{io}
    {
        changed.expires_at(asio::steady_timer::time_point::max());
    }

    void parse();
    void finish_reply(bool whole);
    void end(const error_code& error);

    tcp::socket socket;
    asio::steady_timer changed;  // never expires: cancelling it wakes the reader and the writer

    std::deque<std::string> outgoing;
    bool writing = false;
    bool half_close = false;

    std::string received;
    std::size_t parsed = 0;
    std::size_t reply_begin = 0;
    std::optional<http::response_parser<http::string_body>> parser;
    std::set<std::size_t> headers_only;
    std::vector<Reply> replies;
    std::vector<Reply> interim;
    bool paused = false;
    bool closed_here = false;
    bool closed_by_peer = false;
    bool reset_by_peer = false;
};

void TestClient::State::parse()
{
    while (parsed < received.size()) {
        if (!parser) {
            parser.emplace();
            parser->eager(true);
            parser->header_limit(1 << 20);
            parser->body_limit(boost::none);
            parser->skip(headers_only.contains(replies.size()));
            reply_begin = parsed;
        }
        error_code error;
        const std::size_t used = parser->put(asio::buffer(std::string_view{received}.substr(parsed)), error);
        parsed += used;
        if (parser->is_done()) {
            finish_reply(true);
        } else if (error || used == 0) {
            return;
        }
    }
}

void TestClient::State::finish_reply(bool whole)
{
    Reply reply;
    reply.message = parser->release();
    reply.raw = received.substr(reply_begin, parsed - reply_begin);
    reply.whole = whole;
    parser.reset();
    const bool is_interim = reply.status() < 200 && reply.status() != 101;
    (is_interim ? interim : replies).push_back(std::move(reply));
}

void TestClient::State::end(const error_code& error)
{
    if (closed_here) {
        return;
    }
    closed_by_peer = true;
    reset_by_peer = error != asio::error::eof;
    if (parser && parser->is_header_done()) {
        finish_reply(parser->need_eof() && !reset_by_peer);
    }
}

namespace {

using ClientState = std::shared_ptr<TestClient::State>;

asio::awaitable<void> read_on(ClientState state)
{
    std::string piece(64 << 10, '\0');
    const auto buffer = asio::buffer(piece);
    while (!state->closed_here) {
        if (state->paused) {
            co_await state->changed.async_wait(to_tuple);
            continue;
        }
        const auto [error, size] = co_await state->socket.async_read_some(buffer, to_tuple);
        state->received.append(piece, 0, size);
        state->parse();
        if (error) {
            state->end(error);
            co_return;
        }
    }
}

asio::awaitable<void> write_on(ClientState state)
{
    state->writing = true;
    error_code failure;
    while (!state->outgoing.empty() && !failure) {
        const auto buffer = asio::buffer(state->outgoing.front());
        const auto [error, size] = co_await asio::async_write(state->socket, buffer, to_tuple);
        failure = error;
        state->outgoing.pop_front();
        co_await let_others_run();
    }
    state->writing = false;
    if (state->half_close && !failure) {
        state->socket.shutdown(tcp::socket::shutdown_send, failure);
    }
}

void close_now(TestClient::State& state)
{
    error_code ignored;
    state.closed_here = true;
    state.socket.close(ignored);
    state.changed.cancel();
}

}  // namespace

std::string Reply::header(std::string_view name) const
{
    return std::string{message[name]};
}

std::size_t Reply::count(std::string_view name) const
{
    return message.count(name);
}

TestClient::TestClient(asio::io_context& io, std::uint16_t port, int receive_buffer)
    : state_{std::make_shared<State>(io)}
{
    auto& socket = state_->socket;
    socket.open(tcp::v4());
    if (receive_buffer > 0) {
        socket.set_option(asio::socket_base::receive_buffer_size{receive_buffer});
    }
    socket.connect(tcp::endpoint{asio::ip::address_v4::loopback(), port});
    socket.set_option(tcp::no_delay{true});
    asio::co_spawn(io, read_on(state_), asio::detached);
}

TestClient::~TestClient()
{
    close();
}

void TestClient::send(std::string bytes)
{
    state_->outgoing.push_back(std::move(bytes));
    if (!state_->writing) {
        state_->writing = true;
        asio::co_spawn(state_->socket.get_executor(), write_on(state_), asio::detached);
    }
}

void TestClient::send_byte_by_byte(std::string bytes)
{
    for (const char byte : bytes) {
        send(std::string(1, byte));
    }
}

void TestClient::half_close()
{
    state_->half_close = true;
    if (!state_->writing) {
        error_code ignored;
        state_->socket.shutdown(tcp::socket::shutdown_send, ignored);
    }
}

void TestClient::close()
{
    close_now(*state_);
}

void TestClient::reset()
{
    error_code ignored;
    state_->socket.set_option(asio::socket_base::linger{true, 0}, ignored);
    close_now(*state_);
}

void TestClient::pause_reading()
{
    state_->paused = true;
}

void TestClient::resume_reading()
{
    state_->paused = false;
    state_->changed.cancel();
}

void TestClient::expect_headers_only(std::size_t nth)
{
    state_->headers_only.insert(nth);
}

const std::vector<Reply>& TestClient::replies() const
{
    return state_->replies;
}

const std::vector<Reply>& TestClient::interim_replies() const
{
    return state_->interim;
}

bool TestClient::head_received() const
{
    return state_->parser && state_->parser->is_header_done();
}

const std::string& TestClient::body_so_far() const
{
    static const std::string nothing;
    return state_->parser ? state_->parser->get().body() : nothing;
}

const std::string& TestClient::received() const
{
    return state_->received;
}

bool TestClient::sent_all() const
{
    return state_->outgoing.empty();
}

bool TestClient::closed_by_peer() const
{
    return state_->closed_by_peer;
}

bool TestClient::reset_by_peer() const
{
    return state_->reset_by_peer;
}

std::string request_text(std::string_view method, std::string_view target, std::string_view headers,
                         std::string_view body, std::string_view version)
{
    std::string text{method};
    text.append(" ")
        .append(target)
        .append(" ")
        .append(version)
        .append("\r\nHost: router.test\r\n")
        .append(headers);
    if (!body.empty()) {
        text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    }
    return text.append("\r\n").append(body);
}

std::string bearer(std::string_view key)
{
    return "Authorization: Bearer " + std::string{key} + "\r\n";
}

std::string chat_body(std::string_view model, bool stream)
{
    std::string body =
        R"({"model":")" + std::string{model} + R"(","messages":[{"role":"user","content":"hi"}])";
    body += stream ? R"(,"stream":true})" : "}";
    return body;
}

std::string chat_request(std::string_view model, bool stream, std::string_view key, std::string_view headers)
{
    const std::string lines = bearer(key) + "Content-Type: application/json\r\n" + std::string{headers};
    return request_text("POST", "/v1/chat/completions", lines, chat_body(model, stream));
}

std::string get_request(std::string_view target, std::string_view headers)
{
    return request_text("GET", target, bearer() + std::string{headers});
}

}  // namespace route::test
