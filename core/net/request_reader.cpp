#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/beast/http/error.hpp>

#include "core/net/request.hpp"
#include "core/request_facts.hpp"

namespace route::net {

namespace {

constexpr std::size_t most_empty_lines = 64;  ///< bytes of them before a request line

Clock::duration ticks(Seconds seconds)
{
    return std::chrono::duration_cast<Clock::duration>(seconds);
}

bool too_large(error_code error)
{
    return error == http::error::header_limit || error == HeadError::too_many_fields;
}

int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

std::string percent_decoded(std::string_view text)
{
    std::string decoded;
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool escape = text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
                            hex_digit(text[i + 2]) >= 0;
        if (escape) {
            decoded.push_back(static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])));
            i += 2;
        } else {
            decoded.push_back(text[i]);
        }
    }
    return decoded;
}

/// Whether some server could take a segment of the path for "." or "..": backslashes, parameters behind ';'
/// and control characters count as well.
bool has_path_trick(std::string_view path)
{
    if (std::any_of(path.begin(), path.end(),
                    [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '\\'; }))
        return true;
    while (!path.empty()) {
        const auto slash = path.find('/');
        auto segment = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
        segment = segment.substr(0, segment.find(';'));
        if (segment == "." || segment == "..")
            return true;
    }
    return false;
}

bool leaves_its_place(std::string_view path)
{
    if (has_path_trick(path))
        return true;
    if (path.find('%') == std::string_view::npos)
        return false;
    const auto once = percent_decoded(path);
    return has_path_trick(once) || has_path_trick(percent_decoded(once));
}

}  // namespace

awaitable<ReadOutcome> read_request_head(Client& client, Request& request, const ServerSettings& settings,
                                         bool first, bool& waiting)
{
    std::size_t length = 0;
    std::size_t searched = 0;
    waiting = client.input.empty();
    request.started = Clock::now();
    client.limit_read(request.started +
                      ticks(first || !waiting ? settings.header_timeout : settings.keep_alive));
    for (;;) {
        // Empty lines before a request line are ignored (RFC 9112 2.2).
        const auto begin = std::min(client.input.find_first_not_of("\r\n"), client.input.size());
        if (begin > most_empty_lines)
            co_return ReadOutcome::malformed;
        if (begin >= 2)
            client.input.erase(0, begin);
        length = head_length(client.input, searched);
        if (length != 0 || client.input.size() > max_head_bytes)
            break;
        searched = client.input.size();
        const auto error = co_await client.fill();
        if (error == asio::error::timed_out && waiting)
            co_return ReadOutcome::idle;
        if (error == asio::error::timed_out)
            co_return ReadOutcome::timed_out;
        if (error)
            co_return ReadOutcome::closed;
        if (waiting && !first && head_length(client.input) == 0)
            client.limit_read(Clock::now() + ticks(settings.header_timeout));
        if (waiting)
            request.started = Clock::now();
        waiting = false;
    }
    client.no_limit();
    request.started = Clock::now();
    if (length == 0 || length > max_head_bytes)
        co_return ReadOutcome::too_large;
    request.head.assign(client.input, 0, length);
    client.input.erase(0, length);
    request.parser.emplace();
    const auto error = request.parser->parse_head(request.head);
    if (too_large(error))
        co_return ReadOutcome::too_large;
    if (error)
        co_return ReadOutcome::malformed;
    co_return ReadOutcome::whole;
}

std::string_view check_request_head(Request& request)
{
    auto target = request.parser->target();
    std::size_t hosts = 0;
    for (const auto& field : request.fields())
        hosts += field.id == http::field::host ? 1 : 0;
    if (hosts > 1 || (hosts == 0 && !request.http10()))
        return "a request needs exactly one Host field";
    if (const auto scheme = target.find("://");
        target.starts_with("http") && scheme != std::string_view::npos) {
        // The absolute form (RFC 9112 3.2.2).
        const auto path = target.find('/', scheme + 3);
        target = path == std::string_view::npos ? std::string_view{"/"} : target.substr(path);
    }
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

bool BufferAccount::add(std::uint64_t bytes)
{
    held += bytes;
    return all.fetch_add(bytes, std::memory_order_relaxed) + bytes <= most;
}

void BufferAccount::release()
{
    all.fetch_sub(std::exchange(held, 0), std::memory_order_relaxed);
}

awaitable<ReadOutcome> read_request_body(Client& client, Request& request, std::uint64_t limit,
                                         Seconds silence, BufferAccount& account)
{
    auto& parser = *request.parser;
    if (const auto length = parser.content_length())
        request.body.reserve(static_cast<std::size_t>(*length) + body_padding);
    for (;;) {
        if (!client.input.empty()) {
            error_code error;
            const auto consumed = parser.body(client.input.data(), client.input.size(), error);
            if (error)
                co_return ReadOutcome::malformed;
            const auto payload = parser.payload();
            if (request.body.size() + payload.size() > limit)
                co_return ReadOutcome::too_large;
            request.body.append(payload);
            if (request.body.size() > account.held && !account.add(request.body.size() - account.held))
                co_return ReadOutcome::overloaded;
            client.input.erase(0, consumed);
        }
        if (parser.done())
            break;
        client.limit_read(Clock::now() + ticks(silence));
        const auto error = co_await client.fill();
        if (error == asio::error::timed_out)
            co_return ReadOutcome::timed_out;
        if (error)
            co_return ReadOutcome::closed;
    }
    client.no_limit();
    if (client.input.empty())
        client.input = std::string{};  // an open stream holds no buffer it does not need
    request.body.reserve(request.body.size() + body_padding);
    co_return ReadOutcome::whole;
}

}  // namespace route::net
