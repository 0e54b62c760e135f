#include "core/net/attempt.hpp"

#include <array>
#include <boost/asio/error.hpp>
#include <boost/beast/http/error.hpp>
#include <limits>

namespace route::net {

namespace {

constexpr int most_informational = 16;
constexpr Seconds failed_body_time{2};
constexpr std::size_t failed_body_bytes = 1u << 20;

Clock::duration ticks(Seconds seconds)
{
    return std::chrono::duration_cast<Clock::duration>(seconds);
}

}  // namespace

Attempt::Attempt(EventLoop& loop, const RoutingTable& table, const Upstream& upstream,
                 const OutgoingRequest& request, AttemptLimits limits, Deadline& deadline,
                 Deadline& commit_deadline)
    : loop_{loop},
      table_{table},
      upstream_{upstream},
      request_{request},
      limits_{limits},
      deadline_{deadline},
      commit_deadline_{commit_deadline},
      recorder_{table.settings.records},
      started_{Clock::now()}
{
    deadline_.retarget(&on_deadline, this);
    commit_deadline_.retarget(&on_commit_deadline, this);
}

Attempt::~Attempt()
{
    loop_.services.buffered.fetch_sub(accounted_, std::memory_order_relaxed);
    deadline_.cancel();
    commit_deadline_.cancel();
}

awaitable<bool> Attempt::run()
{
    for (bool replaced = false;; replaced = true) {
        connection_ = replaced ? nullptr : loop_.pool.take(upstream_.endpoint.origin);
        reused_ = connection_ != nullptr;
        failure_.reset();
        bool succeeded = reused_;
        if (!reused_)
            succeeded = co_await connect();
        if (succeeded)
            succeeded = co_await send();
        if (succeeded)
            succeeded = co_await read_head();
        if (succeeded)
            succeeded = co_await hold();
        if (succeeded)
            co_return true;
        const bool again = replace_connection(*failure_, reused_, replaced);
        if (!again)
            break;
    }
    if (!kept_whole_ && connection_)
        connection_->close();
    deadline_.cancel();
    commit_deadline_.cancel();
    co_return false;
}

void Attempt::abort(Cause cause)
{
    if (!aborted_)
        aborted_ = cause;
    if (connection_)
        connection_->close();
    if (question_ && !question_->done) {
        Resolver::forget(*question_, resolved_);
        resolved_.notify();
    }
}

void Attempt::on_deadline(void* target)
{
    auto& attempt = *static_cast<Attempt*>(target);
    if (!attempt.still_taking_request())
        attempt.abort(Cause::timeout);
}

/// The kernel takes a request at once; the upstream may take longer. While it does, the wait for its head has
/// not begun.
bool Attempt::still_taking_request()
{
    const bool waits_for_head = phase_ == Phase::write_request || phase_ == Phase::await_head;
    if (!waits_for_head || unacknowledged_ == 0 || !connection_ || !connection_->is_open())
        return false;
    const auto now = Clock::now();
    const auto progress = connection_->send_progress();
    if (progress.unacknowledged >= std::exchange(unacknowledged_, progress.unacknowledged))
        return false;
    const auto limit = std::min(now - progress.since_last + ticks(limits_.timeouts.head), limits_.total);
    if (limit <= now)
        return false;
    deadline_.expire_at(limit);
    return true;
}

void Attempt::on_commit_deadline(void* target)
{
    auto& attempt = *static_cast<Attempt*>(target);
    attempt.commit_now_ = true;
    if (attempt.connection_)
        attempt.connection_->wake_reader();
}

void Attempt::arm(Seconds wait)
{
    deadline_.expire_at(std::min(Clock::now() + ticks(wait), limits_.total));
}

void Attempt::expect_more()
{
    deadline_.expire_at(Clock::now() + ticks(limits_.timeouts.idle));
}

bool Attempt::fail(Phase phase, Cause cause, error_code error, std::string detail)
{
    failure_.emplace();
    failure_->phase = phase;
    failure_->cause = cause;
    failure_->error = error;
    failure_->detail = std::move(detail);
    failure_->response_begun = first_byte_.has_value();
    if (aborted_)
        failure_->cause = *aborted_;
    if (parser_ && parser_->status() != 0)
        failure_->status = parser_->status();
    return false;
}

bool Attempt::fail_transport(Phase phase, error_code error)
{
    const bool ended = error == asio::error::eof || error == http::error::partial_message;
    return fail(phase, ended ? Cause::eof : Cause::transport, error);
}

void Attempt::note_first_byte()
{
    if (!first_byte_)
        first_byte_ = Clock::now();
}

void Attempt::on_early_reply(void* target)
{
    auto& attempt = *static_cast<Attempt*>(target);
    attempt.early_reply_ = true;
    attempt.connection_->wake_writer();
}

/// The value of `model` as this upstream wants it, in the body's own notation; none when it stays as it is.
std::optional<std::string> Attempt::renamed_model() const
{
    const auto& facts = request_.facts;
    if (!facts.model || upstream_.rename.empty())
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

awaitable<bool> Attempt::send()
{
    phase_ = Phase::write_request;
    auto& head = loop_.head_buffer;
    head.clear();
    const auto model = renamed_model();
    auto outgoing = request_.head;
    if (model)
        outgoing.body_bytes =
            request_.body.size() - (request_.facts.model_end - request_.facts.model_begin) + model->size();
    write_upstream_head(head, outgoing, upstream_);
    std::array<iovec, 4> storage;
    std::size_t count = 0;
    storage[count++] = part(head);
    if (model) {
        // Only the value of `model` differs: the body is sent around it, not copied.
        const auto& facts = request_.facts;
        storage[count++] = part(request_.body.substr(0, facts.model_begin));
        storage[count++] = part(*model);
        storage[count++] = part(request_.body.substr(facts.model_end));
    } else if (!request_.body.empty()) {
        storage[count++] = part(request_.body);
    }
    std::span<iovec> parts{storage.data(), count};
    std::string own_head;
    sent_whole_ = false;
    unacknowledged_ = std::numeric_limits<std::size_t>::max();
    arm(limits_.timeouts.head);
    while (!parts.empty()) {
        const auto written = connection_->write_some(parts);
        if (written.must_wait()) {
            if (own_head.empty() && parts.size() == count) {
                // Others build their heads in that buffer while this one waits.
                own_head.assign(static_cast<const char*>(parts.front().iov_base), parts.front().iov_len);
                parts.front() = part(own_head);
            }
            connection_->listen(&on_early_reply, this);
            const auto begin = Clock::now();
            auto writable = connection_->writable();
            co_await std::move(writable);
            waited_ += Clock::now() - begin;
            connection_->stop_listening();
            if (early_reply_)
                break;  // it answers before it has heard all: 413, or it closed
            continue;
        }
        if (written.error) {
            if (aborted_)
                co_return fail_transport(phase_, written.error);
            break;  // its answer may have arrived before the reset
        }
        arm(limits_.timeouts.head);
        parts = consume(parts, written.bytes);
    }
    sent_whole_ = parts.empty();
    co_return true;
}

awaitable<bool> Attempt::read_head()
{
    phase_ = sent_whole_ ? Phase::await_head : Phase::write_request;
    head_.clear();
    for (;;) {
        if (!connection_->is_readable() && sent_whole_) {
            const auto begin = Clock::now();
            auto readable = connection_->readable();
            co_await std::move(readable);
            waited_ += Clock::now() - begin;
        }
        auto* scratch = loop_.scratch.bytes.data();
        const auto received = connection_->read_some(scratch, Scratch::size);
        if (received.must_wait()) {
            if (!sent_whole_) {
                const auto begin = Clock::now();
                auto readable = connection_->readable();
                co_await std::move(readable);
                waited_ += Clock::now() - begin;
            }
            continue;
        }
        if (received.error)
            co_return fail_transport(phase_, received.error);
        note_first_byte();
        const auto searched = head_.size();
        head_.append(scratch, received.bytes);
        auto length = head_length(head_, searched);
        while (length != 0) {
            const auto rest = head_.size() - length;
            parser_.emplace();
            if (request_.head_only)
                parser_->expect_no_body();
            const auto error = parser_->parse_head(std::string_view{head_}.substr(0, length));
            if (error)
                co_return fail(phase_, Cause::bad_reply, error, error.message());
            if (parser_->status() / 100 == 1) {
                if (parser_->status() == 101 || ++informational_ > most_informational)
                    co_return fail(
                        phase_, Cause::bad_reply, {},
                        parser_->status() == 101 ? "101 that was not asked for" : "too many 1xx replies");
                parser_.reset();
                head_.erase(0, length);
                length = head_length(head_);
                continue;
            }
            head_.resize(length);
            complete_ = parser_->done();
            co_return decode(scratch + (received.bytes - rest), rest);
        }
        if (head_.size() > max_head_bytes)
            co_return fail(phase_, Cause::bad_reply, http::error::header_limit, "a response head too long");
    }
}

bool Attempt::decode(char* data, std::size_t size)
{
    fresh_ = {};
    if (complete_) {
        extra_bytes_ = size > 0;
        return true;
    }
    error_code error;
    const auto consumed = parser_->body(data, size, error);
    if (error)
        return fail(phase_, Cause::bad_reply, error, error.message());
    fresh_ = parser_->payload();
    complete_ = parser_->done();
    if (complete_)
        extra_bytes_ = consumed < size;
    else
        carry_.assign(data + consumed, size - consumed);
    return true;
}

awaitable<bool> Attempt::hold()
{
    const auto status = parser_->status();
    const auto& fields = parser_->fields();
    if (!status_succeeds(status, request_.head.upgrade_websocket)) {
        co_await read_failed_body();
        fail(Phase::await_head, Cause::status);
        if (aborted_ == Cause::client_gone || aborted_ == Cause::stopped)
            co_return false;
        failure_->cause = Cause::status;
        co_return false;
    }
    phase_ = Phase::await_first_event;
    recorder_.begin(find_field(fields, http::field::content_type),
                    find_field(fields, http::field::content_encoding));
    recorder_.add(fresh_);
    bool waits = false;
    while (!committable()) {
        if (failure_)
            co_return false;
        if (!waits) {
            waits = true;
            commit_deadline_.expire_at(Clock::now() + ticks(table_.settings.failover.commit_after));
        }
        stash();
        auto step = read();
        while (step == Read::would_block && !commit_now_) {
            arm(limits_.timeouts.idle);
            const auto begin = Clock::now();
            auto more = readable();
            co_await std::move(more);
            waited_ += Clock::now() - begin;
            if (!commit_now_)
                step = read();
        }
        if (step == Read::failed)
            co_return false;
    }
    if (!held_.empty())
        stash();
    commit_deadline_.cancel();
    deadline_.cancel();
    phase_ = Phase::relay_body;
    co_return true;
}

bool Attempt::committable()
{
    if (recorder_.kind() == ReplyKind::event_stream && !recorder_.encoded() && !request_.head_only &&
        parser_->status() / 100 == 2 && parser_->status() != 204) {
        const auto first = recorder_.first_event();
        if (first == EventMeaning::error)
            return fail(phase_, Cause::error_event, {}, recorder_.error_detail());
        if (first)
            return true;
        if (complete_)
            return fail(phase_, Cause::empty);
    }
    if (complete_ || commit_now_)
        return true;
    if (recorder_.kind() == ReplyKind::json || recorder_.kind() == ReplyKind::event_stream) {
        const bool first_bytes_commit = recorder_.kind() == ReplyKind::event_stream && recorder_.encoded();
        return first_bytes_commit ? !pending().empty()
                                  : held_.size() + fresh_.size() >= table_.settings.failover.reply_buffer;
    }
    return !pending().empty();
}

void Attempt::stash()
{
    if (fresh_.empty())
        return;
    held_.append(fresh_);
    accounted_ += fresh_.size();
    loop_.services.buffered.fetch_add(fresh_.size(), std::memory_order_relaxed);
    fresh_ = {};
}

void Attempt::drop_pending()
{
    fresh_ = {};
    if (held_.empty())
        return;
    held_ = std::string{};
    loop_.services.buffered.fetch_sub(accounted_, std::memory_order_relaxed);
    accounted_ = 0;
}

Attempt::Read Attempt::read()
{
    if (complete_)
        return Read::complete;
    auto* scratch = loop_.scratch.bytes.data();
    const auto before = carry_.size();
    const auto received = connection_->read_some(scratch + before, Scratch::size - before);
    if (received.must_wait())
        return Read::would_block;
    if (received.error == asio::error::eof && !aborted_) {
        fresh_ = {};
        const auto error = parser_->end_of_stream();
        if (error) {
            fail(phase_, Cause::eof, error);
            return Read::failed;
        }
        complete_ = true;
        return Read::complete;
    }
    if (received.error) {
        fail_transport(phase_, received.error);
        return Read::failed;
    }
    carry_.copy(scratch, before);
    carry_.clear();
    if (!decode(scratch, before + received.bytes))
        return Read::failed;
    if (kept_body_)
        return Read::payload;
    recorder_.add(fresh_);
    return Read::payload;
}

awaitable<void> Attempt::read_failed_body()
{
    kept_body_ = true;
    phase_ = Phase::relay_body;
    deadline_.expire_at(Clock::now() + ticks(failed_body_time));
    while (!complete_ && held_.size() + fresh_.size() <= failed_body_bytes) {
        stash();
        auto step = read();
        while (step == Read::would_block) {
            const auto begin = Clock::now();
            auto more = readable();
            co_await std::move(more);
            waited_ += Clock::now() - begin;
            step = read();
        }
        if (step == Read::failed)
            co_return;
    }
    stash();
    kept_whole_ = complete_ && held_.size() <= failed_body_bytes;
    if (kept_whole_)
        release();
}

void Attempt::release()
{
    deadline_.cancel();
    commit_deadline_.cancel();
    if (!connection_ || !connection_->is_open())
        return;
    const bool reusable = complete_ && sent_whole_ && !extra_bytes_ && parser_->keep_alive() &&
                          !parser_->needs_end_of_stream() && !connection_->is_readable();
    if (!reusable) {
        connection_->close();
        return;
    }
    const auto& settings = table_.settings.upstream;
    loop_.pool.put(upstream_.endpoint.origin, std::move(connection_), settings.idle_connections,
                   ticks(settings.idle_timeout));
}

std::string_view Attempt::retry_after() const
{
    return parser_ ? find_field(parser_->fields(), http::field::retry_after) : std::string_view{};
}

}  // namespace route::net
