// A request goes out over a connection, a reply comes back: what does not wait, and the sending that does.
#include "core/net/http/http_client.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/beast/http/error.hpp>
#include <cstring>

#include "core/text.hpp"

namespace route::net {

namespace {

constexpr int most_interim_replies = 16;
/// Shorter requests are acknowledged within a round trip.
constexpr std::size_t kernel_takes_at_once = 16u << 10;

/// Whether what has come can not become the head of a reply: waiting for the rest of it would be in vain.
bool can_be_no_head(std::string_view bytes, std::size_t searched)
{
    constexpr std::string_view begin = "HTTP/";
    const auto size = std::min(bytes.size(), begin.size());
    return bytes.substr(0, size) != begin.substr(0, size) || has_bare_newline(bytes, searched);
}

/// A 1xx but 101, as far as the first bytes tell.
bool looks_interim(std::string_view head)
{
    return head.starts_with("HTTP/1.") && head.size() > 12 && head[9] == '1' && head.substr(9, 3) != "101";
}

}  // namespace

HttpClient::HttpClient(EventLoop& loop, const Destination& destination, ExpectedReply expected)
    : loop_{loop}, destination_{destination}, expected_{expected}
{
}

HttpClient::~HttpClient()
{
    if (question_)
        Resolver::forget(*question_, resolved_);
    if (connection_)
        connection_->close();
}

bool HttpClient::take_pooled()
{
    if (may_be_pooled())
        connection_ = loop_.pool.take(destination_.pool_key);
    reused_ = connection_ != nullptr;
    return reused_;
}

void HttpClient::reset()
{
    connection_.reset();
    reused_ = false;
    failure_.reset();
    head_.clear();
    searched_ = 0;
    unacknowledged_ = 0;
    interim_replies_ = 0;
}

AttemptFailure HttpClient::failed(Cause cause, error_code error, std::string detail) const
{
    AttemptFailure failure;
    failure.phase = phase_;
    failure.cause = cause;
    failure.error = error;
    failure.detail = std::move(detail);
    failure.response_begun = first_byte_.has_value();
    if (has_head())
        failure.status = parser_->status();
    return failure;
}

bool HttpClient::fail(Cause cause, error_code error, std::string detail)
{
    failure_ = failed(cause, error, std::move(detail));
    return false;
}

bool HttpClient::fail_transport(error_code error)
{
    const bool ended = error == asio::error::eof || error == http::error::partial_message;
    return fail(ended ? Cause::eof : Cause::transport, error);
}

HttpClient::Step HttpClient::refuse(std::string_view why, error_code error)
{
    fail(Cause::bad_reply, error, std::string{why});
    return Step::failed;
}

void HttpClient::note_first_byte()
{
    if (!first_byte_)
        first_byte_ = Clock::now();
}

bool HttpClient::send(std::span<const std::string_view> parts)
{
    phase_ = Phase::write_request;
    last_taken_ = Clock::now();
    parts_.clear();
    for (const auto& each : parts)
        if (!each.empty())
            parts_.push_back(part(each));
    unsent_ = {parts_.data(), parts_.size()};
    const auto written = connection_->write_some(unsent_);
    if (!written.error)
        unsent_ = consume(unsent_, written.bytes);
    return unsent_.empty();
}

awaitable<void> HttpClient::send_rest()
{
    using namespace asio::experimental::awaitable_operators;
    std::string head;
    if (unsent_.data() == parts_.data() && !unsent_.empty()) {
        head.assign(static_cast<const char*>(parts_[0].iov_base), parts_[0].iov_len);
        parts_[0] = part(head);
    }
    while (!unsent_.empty()) {
        const auto written = connection_->write_some(unsent_);
        if (written.error && !written.must_wait())
            break;  // its answer may have arrived before the reset
        if (!written.error) {
            last_taken_ = Clock::now();
            unsent_ = consume(unsent_, written.bytes);
            continue;
        }
        if (answered_while_sending())
            break;  // it answers before it has heard all: 413, or it closed
        const auto begin = Clock::now();
        auto writable = until_writable(*connection_);
        auto readable = until_readable(*connection_);
        auto either = std::move(writable) || std::move(readable);
        co_await std::move(either);
        waited_ += Clock::now() - begin;
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none)
            break;
    }
}

void HttpClient::end_sending(std::size_t body_bytes)
{
    sent_whole_ = unsent_.empty();
    phase_ = sent_whole_ ? Phase::await_head : Phase::write_request;
    if (body_bytes <= kernel_takes_at_once)
        return;
    unacknowledged_ = connection_->unacknowledged();
    last_taken_ = Clock::now();
}

bool HttpClient::still_taking()
{
    if (unacknowledged_ == 0 || !connection_ || !connection_->is_open())
        return false;
    const auto left = connection_->unacknowledged();
    if (left < std::exchange(unacknowledged_, left))
        last_taken_ = Clock::now();
    return left > 0;
}

/// Takes in what the server said before it has heard all: a session ticket inside TLS and 1xx heads change
/// nothing, a final head or the end does.
bool HttpClient::answered_while_sending()
{
    auto* scratch = loop_.scratch.bytes.data();
    for (;;) {
        const auto received = connection_->read_some(scratch, Scratch::size);
        if (received.must_wait())
            return false;
        if (received.error)
            return true;
        note_first_byte();
        head_.append(scratch, received.bytes);
        auto length = head_length(head_);
        while (length != 0 && looks_interim(head_) && interim_replies_ < most_interim_replies) {
            ++interim_replies_;
            head_.erase(0, length);
            length = head_length(head_);
        }
        if (head_.size() > max_head_bytes || length != 0)
            return true;
    }
}

HttpClient::Step HttpClient::read_head()
{
    for (;;) {
        const auto length = head_length(head_, searched_);
        if (length != 0) {
            const auto rest = head_.size() - length;
            if (rest > Scratch::size)
                return refuse("too much behind its head");
            std::memcpy(loop_.scratch.bytes.data(), head_.data() + length, rest);
            bool interim = false;
            const auto step = take_head(length, loop_.scratch.bytes.data(), rest, interim);
            if (!interim)
                return step;
            searched_ = 0;
            continue;
        }
        if (head_.size() > max_head_bytes)
            return refuse("a response head too long", http::error::header_limit);
        if (can_be_no_head(head_, searched_))
            return refuse("no HTTP reply", http::error::bad_version);
        searched_ = head_.size();
        const auto received = connection_->read_some(loop_.scratch.bytes.data(), Scratch::size);
        if (received.must_wait())
            return Step::wait;
        if (received.error) {
            fail_transport(received.error);
            return Step::failed;
        }
        note_first_byte();
        const std::string_view fresh{loop_.scratch.bytes.data(), received.bytes};
        const auto whole = head_.empty() ? head_length(fresh) : 0;
        if (whole > 9 && whole <= max_head_bytes && fresh[9] != '1') {
            // The usual case: all of it at once. The body stays where it is.
            head_.assign(fresh.substr(0, whole));
            bool interim = false;
            return take_head(whole, loop_.scratch.bytes.data() + whole, received.bytes - whole, interim);
        }
        head_.append(fresh);
    }
}

bool HttpClient::is_upgrade() const
{
    return parser_->status() == 101 && expected_.upgrade &&
           equal_ignoring_case(find_field(parser_->fields(), http::field::upgrade), "websocket");
}

/// Parses the head at the start of `head_`, `length` bytes; of a final one nothing else stays there. `rest`
/// is what came behind it, in the scratch, and is decoded there.
HttpClient::Step HttpClient::take_head(std::size_t length, char* rest, std::size_t rest_size, bool& interim)
{
    parser_.emplace();
    if (expected_.head_only)
        parser_->expect_no_body();
    const auto error = parser_->parse_head(std::string_view{head_}.substr(0, length));
    if (error)
        return refuse(error.message(), error);
    if (parser_->status() / 100 == 1 && !is_upgrade()) {
        if (parser_->status() == 101)
            return refuse("101 that was not asked for");
        if (++interim_replies_ > most_interim_replies)
            return refuse("too many 1xx replies");
        parser_.reset();
        head_.erase(0, length);
        interim = true;
        return Step::wait;
    }
    if (parser_->status() == 407 && by_forwarding()) {
        // A proxy that passes plain requests on wants other credentials: no reply of the server.
        phase_ = Phase::proxy;
        fail(Cause::status);
        parser_.reset();
        return Step::failed;
    }
    head_.resize(length);
    complete_ = parser_->done();
    if (parser_->status() == 101) {
        payload_ = {rest, rest_size};
        return Step::done;
    }
    return decode(rest, rest_size);
}

HttpClient::Step HttpClient::decode(char* data, std::size_t size)
{
    payload_ = {};
    if (complete_) {
        extra_bytes_ = size > 0;
        return Step::done;
    }
    error_code error;
    const auto consumed = parser_->body(data, size, error);
    if (error)
        return refuse(error.message(), error);
    payload_ = parser_->payload();
    complete_ = parser_->done();
    if (complete_)
        extra_bytes_ = consumed < size;
    else
        carry_.assign(data + consumed, size - consumed);
    return Step::done;
}

HttpClient::Step HttpClient::read_body(std::size_t limit)
{
    payload_ = {};
    if (complete_)
        return Step::done;
    auto* scratch = loop_.scratch.bytes.data();
    const auto before = carry_.size();
    const auto received = connection_->read_some(scratch + before, std::min(Scratch::size - before, limit));
    if (received.must_wait())
        return Step::wait;
    if (received.error == asio::error::eof) {
        const auto error = parser_->end_of_stream();
        if (error) {
            fail(Cause::eof, error);
            return Step::failed;
        }
        complete_ = true;
        return Step::done;
    }
    if (received.error) {
        fail_transport(received.error);
        return Step::failed;
    }
    carry_.copy(scratch, before);
    carry_.clear();
    return decode(scratch, before + received.bytes);
}

void HttpClient::release()
{
    if (!connection_ || !connection_->is_open())
        return;
    const bool reusable = complete_ && sent_whole_ && !extra_bytes_ && parser_->keep_alive() &&
                          !parser_->needs_end_of_stream() && may_be_pooled();
    // What may still be there is looked at: a session ticket inside TLS does no harm.
    if (!reusable || !connection_->is_silent(loop_.scratch.bytes.data(), Scratch::size)) {
        connection_->close();
        return;
    }
    const auto& settings = destination_.settings;
    loop_.pool.put(destination_.pool_key, std::move(connection_), settings.idle_connections,
                   ticks(settings.idle_timeout));
}

}  // namespace route::net
