#include "core/net/attempt.hpp"

#include <array>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/http/error.hpp>

#include "core/error_words.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

/// How long, and how many bytes, the body of a failed reply is read.
struct FailedBodyLimits
{
    Seconds time;
    std::size_t bytes;
};
/// One that may be relayed.
constexpr FailedBodyLimits relayable_body{Seconds{2}, 1u << 20};
/// One that is only read for what it says: an error's message comes with its head, or right behind it.
constexpr FailedBodyLimits quoted_body{Seconds{0.25}, 4u << 10};
constexpr int looks_within_wait = 8;
/// Of an encoded reply few bytes can be many to read: others of the loop have a turn after as many.
constexpr std::size_t encoded_portion = 8u << 10;

}  // namespace

Attempt::Attempt(EventLoop& loop, const RoutingTable& table, const Upstream& upstream,
                 const OutgoingRequest& request, AttemptLimits limits, Deadline& deadline,
                 Deadline& commit_deadline, ReplyCapture& capture)
    : loop_{loop},
      table_{table},
      upstream_{upstream},
      request_{request},
      limits_{limits},
      deadline_{deadline},
      commit_deadline_{commit_deadline},
      recorder_{table.settings.records, capture},
      started_{Clock::now()}
{
    deadline_.retarget(&on_deadline, this);
    commit_deadline_.retarget(&on_commit_deadline, this);
}

Attempt::~Attempt()
{
    loop_.services.buffered.subtract(accounted_);
    deadline_.cancel();
    commit_deadline_.cancel();
}

awaitable<bool> Attempt::run()
{
    for (bool replaced = false;; replaced = true) {
        connection_ = replaced || !may_be_pooled() ? nullptr : loop_.pool.take(upstream_.pool_key);
        reused_ = connection_ != nullptr;
        failure_.reset();
        head_.clear();
        unacknowledged_ = 0;
        informational_ = 0;
        bool succeeded = reused_;
        if (!reused_)
            succeeded = co_await connect();
        if (succeeded) {
            const bool sent = send();
            if (!sent) {
                std::string own_head{loop_.head_buffer};
                co_await send_rest(std::move(own_head));
            }
            after_send();
            auto head = read_head();
            while (head == Head::awaited) {
                const auto begin = Clock::now();
                auto readable = connection_->readable();
                co_await std::move(readable);
                waited_ += Clock::now() - begin;
                head = read_head();
            }
            succeeded = head == Head::final;
        }
        if (succeeded) {
            const bool at_once = begin_reply();
            if (!at_once)
                succeeded = co_await hold();
        }
        if (succeeded)
            co_return true;
        const bool again = replace_connection(*failure_, reused_, replaced);
        if (!again)
            break;
    }
    if (connection_)
        connection_->close();
    deadline_.cancel();
    commit_deadline_.cancel();
    co_return false;
}

void Attempt::abort(Cause cause)
{
    if (!aborted_ || *aborted_ == Cause::timeout)
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

/// The kernel takes a large request at once; the upstream may take longer. While it acknowledges bytes, the
/// wait for its head has not begun: looked at several times within that wait.
void Attempt::watch_acknowledgements()
{
    unacknowledged_ = connection_->unacknowledged();
    last_taken_ = Clock::now();
    if (unacknowledged_ > 0)
        arm(limits_.timeouts.head / looks_within_wait);
}

bool Attempt::still_taking_request()
{
    const bool waits_for_head = phase_ == Phase::write_request || phase_ == Phase::await_head;
    const auto now = Clock::now();
    if (!waits_for_head || unacknowledged_ == 0 || !connection_ || !connection_->is_open() ||
        now >= limits_.total)
        return false;
    const auto left = connection_->unacknowledged();
    if (left < std::exchange(unacknowledged_, left))
        last_taken_ = now;
    const auto limit = last_taken_ + ticks(limits_.timeouts.head);
    if (limit <= now)
        return false;
    const auto next_look = left > 0 ? now + ticks(limits_.timeouts.head / looks_within_wait) : limit;
    deadline_.expire_at(std::min({limit, next_look, limits_.total}));
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

/// Judges the head and what came with it. True when the reply may be committed already; else hold() waits
/// for what is missing, or says that it failed.
bool Attempt::begin_reply()
{
    if (!status_succeeds(parser_->status(), request_.head.upgrade_websocket))
        return false;
    const auto& fields = parser_->fields();
    phase_ = Phase::await_first_event;
    recorder_.begin(find_field(fields, http::field::content_type),
                    find_field(fields, http::field::content_encoding));
    if (recorder_.encoded())
        return false;
    recorder_.add(fresh_);
    if (!committable())
        return false;
    commit_deadline_.cancel();
    deadline_.cancel();
    phase_ = Phase::relay_body;
    return true;
}

awaitable<bool> Attempt::fail_by_status()
{
    co_await read_failed_body();
    fail(Phase::await_head, Cause::status, {}, error_body_words());
    if (aborted_ != Cause::client_gone && aborted_ != Cause::stopped)
        failure_->cause = Cause::status;
    co_return false;
}

awaitable<bool> Attempt::hold()
{
    if (phase_ != Phase::await_first_event) {
        const bool failed = co_await fail_by_status();
        co_return failed;
    }
    if (!failure_)
        commit_deadline_.expire_at(Clock::now() + ticks(table_.settings.failover.commit_after));
    bool ready = false;
    if (recorder_.encoded()) {
        arm(limits_.timeouts.idle);
        co_await record_held();
        ready = !aborted_ && committable();
    }
    while (!ready) {
        if (failure_)
            co_return false;
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
        ready = committable();
    }
    if (!held_.empty())
        stash();
    commit_deadline_.cancel();
    deadline_.cancel();
    phase_ = Phase::relay_body;
    co_return true;
}

awaitable<void> Attempt::record_held()
{
    stash();
    std::string_view rest{held_};
    while (recorder_.encoded() && rest.size() > encoded_portion) {
        recorder_.add(rest.substr(0, encoded_portion));
        rest.remove_prefix(encoded_portion);
        auto turn = asio::post(loop_.io.get_executor(), asio::deferred);
        co_await std::move(turn);
    }
    recorder_.add(rest);
}

/// What the upstream said, briefly. Upstreams quote the key they refuse; nobody else gets to see it.
std::string Attempt::own_words(std::string text, bool cut) const
{
    SecretEraser client_secrets;
    for (const auto& key : request_.client_keys)
        client_secrets.add(*key);
    const std::array<const SecretEraser*, 2> erasers{&table_.secrets, &client_secrets};
    erase_secrets(text, erasers, cut);
    text.resize(cut_utf8(text, most_error_words).size());
    return text;
}

std::string Attempt::error_body_words() const
{
    const auto& fields = parser_->fields();
    const auto content = decoded_body(find_field(fields, http::field::content_encoding), held_, most_decoded);
    if (!content)
        return {};
    auto words = error_words(find_field(fields, http::field::content_type), *content);
    const bool cut = !complete_ || words.size() >= most_error_text - 4;
    return own_words(std::move(words), cut);
}

std::optional<ShownReply> Attempt::shown() const
{
    const std::array<const SecretEraser*, 1> erasers{&table_.secrets};
    return show_reply(parser_->reason(), parser_->fields(), held_, erasers);
}

bool Attempt::committable()
{
    if (recorder_.kind() == ReplyKind::event_stream && !request_.head_only && parser_->status() / 100 == 2 &&
        parser_->status() != 204) {
        const auto first = recorder_.first_event();
        if (first == EventMeaning::error)
            return fail(phase_, Cause::error_event, {},
                        own_words(recorder_.error_detail(), recorder_.error_detail_cut()));
        if (first)
            return true;
        if (complete_ && recorder_.legible())
            return fail(phase_, Cause::empty);
    }
    if (complete_ || commit_now_)
        return true;
    if (recorder_.kind() == ReplyKind::json || recorder_.kind() == ReplyKind::event_stream) {
        const bool first_bytes_commit = recorder_.kind() == ReplyKind::event_stream && !recorder_.legible();
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
    if (loop_.services.buffered.add(fresh_.size()) > table_.settings.server.max_buffered)
        commit_now_ = true;  // rather sent early than held without bound
    fresh_ = {};
}

void Attempt::drop_pending()
{
    fresh_ = {};
    if (held_.empty())
        return;
    std::string{}.swap(held_);
    loop_.services.buffered.subtract(accounted_);
    accounted_ = 0;
}

Attempt::Read Attempt::read()
{
    if (complete_)
        return Read::complete;
    auto* scratch = loop_.scratch.bytes.data();
    const auto before = carry_.size();
    const auto room = Scratch::size - before;
    const auto received = connection_->read_some(
        scratch + before, recorder_.encoded() ? std::min(room, encoded_portion) : room);
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
    if (recorder_.encoded())
        connection_->end_turn();
    return Read::payload;
}

awaitable<void> Attempt::read_failed_body()
{
    kept_body_ = true;
    phase_ = Phase::relay_body;
    const bool relayable = may_be_relayed(parser_->status(), upstream_.asis);
    const auto& limits = relayable ? relayable_body : quoted_body;
    arm(limits.time);
    while (!complete_ && held_.size() + fresh_.size() <= limits.bytes) {
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
            break;
    }
    stash();
    const bool whole = complete_ && held_.size() <= limits.bytes;
    kept_whole_ = whole && relayable;
    if (whole)
        release();
}

void Attempt::release()
{
    deadline_.cancel();
    commit_deadline_.cancel();
    if (!connection_ || !connection_->is_open())
        return;
    const bool reusable = complete_ && sent_whole_ && !extra_bytes_ && parser_->keep_alive() &&
                          !parser_->needs_end_of_stream() && may_be_pooled();
    // What may still be there is looked at: a session ticket inside TLS does no harm.
    if (!reusable || !connection_->is_silent(loop_.scratch.bytes.data(), Scratch::size)) {
        connection_->close();
        return;
    }
    const auto& settings = table_.settings.upstream;
    loop_.pool.put(upstream_.pool_key, std::move(connection_), settings.idle_connections,
                   ticks(settings.idle_timeout));
}

std::string_view Attempt::retry_after() const
{
    return parser_ ? find_field(parser_->fields(), http::field::retry_after) : std::string_view{};
}

}  // namespace route::net
