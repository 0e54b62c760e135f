#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/beast/http/error.hpp>

#include "core/http/request_path.hpp"
#include "core/net/http/request.hpp"
#include "core/openai/request_facts.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

constexpr std::size_t most_empty_lines = 64;  ///< bytes of them before a request line

// Chunk sizes, extensions and trailers: many times more than the smallest chunks need, so that a body of
// nothing but these ends.
constexpr std::uint64_t most_framing = 64u << 10;
constexpr std::uint64_t most_framing_of_a_byte = 16;

bool too_large(error_code error)
{
    return error == http::error::header_limit || error == HeadError::too_many_fields;
}

/// Whether what has come can not become a head: TLS, or lines that end without CR. Else its client would
/// wait for the answer as long as the router for the rest. `searched` bytes were looked at.
bool can_be_no_head(std::string_view bytes, std::size_t searched)
{
    if (!bytes.empty() && bytes.front() != '\r' && (bytes.front() <= ' ' || bytes.front() >= 0x7f))
        return true;
    return has_bare_newline(bytes, searched);
}

/// Whether every character may stand in host and port (RFC 3986 3.2.2); an empty one is allowed (RFC 9112
/// 3.2).
bool may_be_authority(std::string_view text)
{
    constexpr std::string_view marks = "-._~%!$&'()*+,;=:[]";
    return std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               marks.find(c) != std::string_view::npos;
    });
}

/// A target in absolute form (RFC 9112 3.2.2) from its path on, any other as it is; empty when the authority
/// is none.
std::string_view without_authority(std::string_view target)
{
    if (target.starts_with('/'))
        return target;
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!equal_ignoring_case(target.substr(0, scheme.size()), scheme))
            continue;
        target.remove_prefix(scheme.size());
        const auto end = std::min(target.find_first_of("/?#"), target.size());
        if (end == 0 || !may_be_authority(target.substr(0, end)))
            return {};
        target.remove_prefix(end);
        return target.starts_with('/') ? target : std::string_view{"/"};
    }
    return target;
}

}  // namespace

bool Request::asks_for_websocket() const
{
    return parser->upgrade() && parser->method() == "GET" && !http10() &&
           equal_ignoring_case(find_field(fields(), http::field::upgrade), "websocket");
}

HeadReader::HeadReader(Client& client, Request& request, HeadLimits limits, bool first)
    : client_{client}, request_{request}, limits_{limits}, first_{first}, waiting_{client.input.empty()}
{
    request_.started = since_;
    client_.limit_read(since_ + ticks(first_ || !waiting_ ? limits_.header_timeout : limits_.keep_alive));
}

std::optional<ReadOutcome> HeadReader::step()
{
    for (;;) {
        if (const auto outcome = look())
            return outcome;
        const auto error = client_.receive();
        if (error == asio::error::would_block && !client_.count_input())
            return ReadOutcome::overloaded;
        if (error == asio::error::would_block)
            return std::nullopt;
        if (error == asio::error::timed_out)
            return waiting_ ? ReadOutcome::idle : ReadOutcome::timed_out;
        if (error)
            return ReadOutcome::closed;
        if (!waiting_)
            continue;
        waiting_ = false;
        request_.started = Clock::now();
        begun_ = true;
    }
}

/// Whether the input holds a head, or what can be none.
std::optional<ReadOutcome> HeadReader::look()
{
    auto& input = client_.input;
    // Empty lines before a request line are ignored (RFC 9112 2.2).
    const auto begin = std::min(input.find_first_not_of("\r\n"), input.size());
    if (begin > most_empty_lines)
        return ReadOutcome::malformed;
    if (begin >= 2)
        input.erase(0, begin);
    if (begin >= 2 && input.empty() && !waiting_) {
        // That was the end of the request before, as some clients send it: nothing of the next one is here.
        waiting_ = true;
        begun_ = false;
        client_.limit_read(since_ + ticks(first_ ? limits_.header_timeout : limits_.keep_alive));
    }
    const auto length = head_length(input, searched_);
    if (length == 0 && input.size() <= max_head_bytes) {
        if (can_be_no_head(input, searched_))
            return ReadOutcome::malformed;
        searched_ = input.size();
        if (std::exchange(begun_, false) && !first_)
            client_.limit_read(request_.started + ticks(limits_.header_timeout));
        return std::nullopt;
    }
    client_.no_limit();
    if (!begun_)
        request_.started = Clock::now();
    if (length == 0 || length > max_head_bytes)
        return ReadOutcome::too_large;
    return parse(length);
}

ReadOutcome HeadReader::parse(std::size_t length)
{
    request_.head.assign(client_.input, 0, length);
    client_.input.erase(0, length);
    request_.parser.emplace();
    const auto error = request_.parser->parse_head(request_.head);
    if (too_large(error))
        return ReadOutcome::too_large;
    return error ? ReadOutcome::malformed : ReadOutcome::whole;
}

std::string_view check_request_head(Request& request)
{
    auto target = request.parser->target();
    std::size_t hosts = 0;
    for (const auto& field : request.fields())
        hosts += field.id == http::field::host ? 1 : 0;
    if (hosts > 1 || (hosts == 0 && !request.http10()))
        return "a request needs exactly one Host field";
    if (!may_be_authority(find_field(request.fields(), http::field::host)))
        return "the Host field holds no host";
    target = without_authority(target);
    if (target == "*" && request.parser->method() == "OPTIONS") {
        request.path = target;
        return {};
    }
    if (!target.starts_with('/'))
        return "the request target should be a path";
    if (target.find('#') != std::string_view::npos)
        return "the request target holds a fragment";
    const auto mark = target.find('?');
    request.path = target.substr(0, mark);
    request.query = mark == std::string_view::npos ? std::string_view{} : target.substr(mark);
    if (leaves_its_place(request.path))
        return "the path holds dot segments or control characters";
    return {};
}

std::optional<ReadOutcome> BodyReader::step()
{
    for (;;) {
        if (const auto outcome = take_in())
            return outcome;
        const auto error = client_.receive();
        if (error == asio::error::would_block) {
            client_.limit_read(std::min(Clock::now() + ticks(limits_.silence), latest()));
            return std::nullopt;
        }
        if (error == asio::error::timed_out)
            return ReadOutcome::timed_out;
        if (error)
            return ReadOutcome::closed;
    }
}

/// When a body that comes too slowly is given up: its pieces may each come in time and the whole never.
TimePoint BodyReader::latest() const
{
    const Seconds come{static_cast<double>(request_.body.size()) / BodyLimits::slowest};
    return request_.started + ticks(limits_.silence + come);
}

/// For a body of `size` bytes: as it comes, whatever was announced. Counted before it is taken; false when
/// that is more than there may be.
bool BodyReader::make_room(std::size_t size)
{
    constexpr std::size_t first_room = 64u << 10;
    auto& body = request_.body;
    const auto head = request_.head.size();
    const auto needed = size + body_padding;
    if (needed <= body.capacity()) {
        const auto held = std::max<std::uint64_t>(account_.held(), head + size);
        const bool fits = account_.fits(held);
        account_.hold(held);
        return fits;
    }
    auto room = std::max(body.capacity() * 2, first_room);
    if (const auto announced = request_.parser->content_length())
        room = std::min(room, static_cast<std::size_t>(*announced) + body_padding);
    room = std::min<std::size_t>(room, limits_.size + body_padding);
    room = std::max(room, needed);
    if (!account_.fits(head + room))
        return false;
    account_.hold(head + room);
    std::string larger;
    larger.reserve(room);
    larger.append(body);
    body.swap(larger);
    return true;
}

/// Decodes what has come; how it ended, if it did.
std::optional<ReadOutcome> BodyReader::take_in()
{
    auto& parser = *request_.parser;
    auto& body = request_.body;
    auto& input = client_.input;
    if (!input.empty()) {
        error_code error;
        const auto consumed = parser.body(input.data(), input.size(), error);
        if (error)
            return ReadOutcome::malformed;
        const auto payload = parser.payload();
        request_.framing_bytes += consumed - payload.size();
        if (request_.framing_bytes > most_framing + most_framing_of_a_byte * (body.size() + payload.size()))
            return ReadOutcome::malformed;
        if (body.size() + payload.size() > limits_.size)
            return ReadOutcome::too_large;
        if (!make_room(body.size() + payload.size()))
            return ReadOutcome::overloaded;
        body.append(payload);
        input.erase(0, consumed);
    }
    if (!parser.done())
        return std::nullopt;
    client_.no_limit();
    if (input.empty())
        std::string{}.swap(input);  // an open stream holds no buffer it does not need
    client_.count_input();
    body.reserve(body.size() + body_padding);
    return ReadOutcome::whole;
}

}  // namespace route::net
