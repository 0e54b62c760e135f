// The part of an attempt between its connection and its reply's body: the request goes out, a head comes
// back.
#include <algorithm>
#include <array>
#include <boost/beast/http/error.hpp>
#include <cstring>

#include "core/net/attempt.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

constexpr int most_informational = 16;
constexpr std::size_t kernel_takes_at_once =
    16u << 10;  ///< shorter requests are acknowledged within a round trip

/// Whether what has come can not become the head of a reply: waiting for the rest of it would be in vain.
bool can_be_no_head(std::string_view bytes, std::size_t searched)
{
    constexpr std::string_view begin = "HTTP/";
    const auto size = std::min(bytes.size(), begin.size());
    return bytes.substr(0, size) != begin.substr(0, size) || has_bare_newline(bytes, searched);
}

}  // namespace

void Attempt::on_readable_while_sending(void* target)
{
    static_cast<Attempt*>(target)->connection_->wake_writer();
}

/// Takes in what the upstream said before it has heard all: a session ticket inside TLS and 1xx heads change
/// nothing, a final head or the end does.
bool Attempt::answered_while_sending()
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
        const auto length = head_length(head_);
        const bool interim = length != 0 && head_.size() == length && head_.starts_with("HTTP/1.") &&
                             head_.size() > 9 && head_[9] == '1';
        if (head_.size() > max_head_bytes || (length != 0 && !interim))
            return true;
    }
}

/// The value of `model` as this upstream wants it, in the body's own notation; none when it stays as it is.
std::optional<std::string> Attempt::renamed_model() const
{
    const auto& facts = request_.facts;
    if (!facts.model || facts.model_cut || upstream_.rename.empty())
        return std::nullopt;
    const auto renamed = upstream_.rename.find(*facts.model);
    if (renamed == upstream_.rename.end())
        return std::nullopt;
    auto value_only = facts;
    value_only.model_begin = 0;
    value_only.model_end = facts.model_end - facts.model_begin;
    return rename_model(request_.body.substr(facts.model_begin, value_only.model_end), value_only,
                        renamed->second);
}

/// Head and body in one write. False when not all was taken: then send_rest() is awaited.
bool Attempt::send()
{
    phase_ = Phase::write_request;
    searched_ = 0;
    auto& head = loop_.head_buffer;
    head.clear();
    model_ = renamed_model();
    auto outgoing = request_.head;
    if (model_)
        outgoing.body_bytes =
            request_.body.size() - (request_.facts.model_end - request_.facts.model_begin) + model_->size();
    write_upstream_head(head, outgoing, upstream_);
    std::size_t count = 0;
    parts_[count++] = part(head);
    if (model_) {
        // Only the value of `model` differs: the body is sent around it, not copied.
        const auto& facts = request_.facts;
        parts_[count++] = part(request_.body.substr(0, facts.model_begin));
        parts_[count++] = part(*model_);
        parts_[count++] = part(request_.body.substr(facts.model_end));
    } else if (!request_.body.empty()) {
        parts_[count++] = part(request_.body);
    }
    unsent_ = {parts_.data(), count};
    arm(limits_.timeouts.head);
    const auto written = connection_->write_some(unsent_);
    if (!written.error)
        unsent_ = consume(unsent_, written.bytes);
    return unsent_.empty();
}

/// `head` is that which send() made: others build theirs in its buffer while this one waits.
awaitable<void> Attempt::send_rest(std::string head)
{
    const auto sent = static_cast<const char*>(parts_[0].iov_base) - loop_.head_buffer.data();
    if (unsent_.data() == parts_.data())
        parts_[0] = part(std::string_view{head}.substr(static_cast<std::size_t>(sent)));
    while (!unsent_.empty()) {
        const auto written = connection_->write_some(unsent_);
        if (written.error && !written.must_wait())
            break;  // its answer may have arrived before the reset
        if (!written.error) {
            arm(limits_.timeouts.head);
            unsent_ = consume(unsent_, written.bytes);
            continue;
        }
        if (answered_while_sending())
            break;  // it answers before it has heard all: 413, or it closed
        connection_->listen(&on_readable_while_sending, this);
        const auto begin = Clock::now();
        auto writable = connection_->writable();
        co_await std::move(writable);
        waited_ += Clock::now() - begin;
        connection_->stop_listening();
    }
}

void Attempt::after_send()
{
    sent_whole_ = unsent_.empty();
    phase_ = sent_whole_ ? Phase::await_head : Phase::write_request;
    if (request_.body.size() > kernel_takes_at_once)
        watch_acknowledgements();
}

/// Takes in what has come, up to a final head.
Attempt::Head Attempt::read_head()
{
    for (;;) {
        const auto length = head_length(head_, searched_);
        if (length != 0) {
            const auto rest = head_.size() - length;
            const auto fits = std::min(rest, Scratch::size);
            std::memcpy(loop_.scratch.bytes.data(), head_.data() + length, fits);
            const auto verdict = fits < rest ? refuse_head("too much behind its head")
                                             : take_head(length, loop_.scratch.bytes.data(), rest);
            if (verdict != Head::interim)
                return verdict;
            searched_ = 0;
            continue;
        }
        if (head_.size() > max_head_bytes)
            return refuse_head("a response head too long", http::error::header_limit);
        if (can_be_no_head(head_, searched_))
            return refuse_head("no HTTP reply", http::error::bad_version);
        searched_ = head_.size();
        const auto received = connection_->read_some(loop_.scratch.bytes.data(), Scratch::size);
        if (received.must_wait())
            return Head::awaited;
        if (received.error) {
            fail_transport(phase_, received.error);
            return Head::refused;
        }
        note_first_byte();
        const std::string_view fresh{loop_.scratch.bytes.data(), received.bytes};
        const auto whole = head_.empty() ? head_length(fresh) : 0;
        if (whole > 9 && whole <= max_head_bytes && fresh[9] != '1') {
            // The usual case: all of it at once. The body stays where it is.
            head_.assign(fresh.substr(0, whole));
            return take_head(whole, loop_.scratch.bytes.data() + whole, received.bytes - whole);
        }
        head_.append(fresh);
    }
}

Attempt::Head Attempt::refuse_head(std::string_view why, error_code error)
{
    fail(phase_, Cause::bad_reply, error, std::string{why});
    return Head::refused;
}

bool Attempt::is_upgrade() const
{
    return parser_->status() == 101 && request_.head.upgrade_websocket &&
           equal_ignoring_case(find_field(parser_->fields(), http::field::upgrade), "websocket");
}

/// A proxy that passes plain requests on wants other credentials: no reply of the upstream.
Attempt::Head Attempt::refuse_by_proxy()
{
    fail(Phase::proxy, Cause::status);
    parser_.reset();
    return Head::refused;
}

/// Parses the head at the start of `head_`, `length` bytes; of a final one nothing else stays there. `rest`
/// is what came behind it, in the scratch, and is decoded there.
Attempt::Head Attempt::take_head(std::size_t length, char* rest, std::size_t rest_size)
{
    parser_.emplace();
    if (request_.head_only)
        parser_->expect_no_body();
    const auto error = parser_->parse_head(std::string_view{head_}.substr(0, length));
    if (error)
        return refuse_head(error.message(), error);
    if (parser_->status() / 100 == 1 && !is_upgrade()) {
        if (parser_->status() == 101)
            return refuse_head("101 that was not asked for");
        if (++informational_ > most_informational)
            return refuse_head("too many 1xx replies");
        parser_.reset();
        head_.erase(0, length);
        return Head::interim;
    }
    if (parser_->status() == 407 && by_forwarding())
        return refuse_by_proxy();
    head_.resize(length);
    complete_ = parser_->done();
    if (parser_->status() == 101) {
        held_.assign(rest, rest_size);  // of the tunnel
        return Head::final;
    }
    return decode(rest, rest_size) ? Head::final : Head::refused;
}

}  // namespace route::net
