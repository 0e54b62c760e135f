// What an attempt makes of its reply: whether it may be committed, what is said of it when not.
#include <spdlog/spdlog.h>

#include <array>
#include <utility>

#include "core/net/attempt.hpp"
#include "core/openai/error_words.hpp"

namespace route::net {

SecretEraser Attempt::client_secrets() const
{
    SecretEraser secrets;
    for (const auto& key : request_.client_keys)
        secrets.add(*key);
    return secrets;
}

std::string Attempt::error_body_words() const
{
    const auto& fields = reply().fields();
    const auto own = client_secrets();
    const std::array<const SecretEraser*, 2> erasers{&table_.secrets, &own};
    return quote_error(find_field(fields, http::field::content_type),
                       find_field(fields, http::field::content_encoding), held_, complete(), erasers);
}

std::optional<ShownReply> Attempt::shown() const
{
    const std::array<const SecretEraser*, 1> erasers{&table_.secrets};
    return show_reply(reply().reason(), reply().fields(), held_, erasers);
}

Attempt::Decision Attempt::decide()
{
    if (complete())
        recorder_.complete();
    const ReplyHead head{reply().status(), request_.head_only, recorder_.api(), request_.facts.stream};
    CommitRules rules;
    rules.reply_buffer = table_.settings.failover.reply_buffer;
    rules.first_content_limited = limits_.timeouts.first_content > Seconds{0};
    rules.streams_whole = request_.commit == Commit::complete;
    rules.streams_only = request_.early != nullptr && request_.early->sent;
    if (rules.streams_whole && !content_at_ && brought_content())
        content_at_ = Clock::now();
    decision_ = decide_commit(head, recorder_.progress(), pressure_, rules);
    if (decision_.kind != Decision::commit)
        return decision_.kind;
    if (request_.early != nullptr && !std::exchange(decided_to_commit_, true))
        ++request_.early->committed;
    if (rules.streams_whole)
        warn_of_early_commit();
    recorder_.committed();
    return decision_.kind;
}

/// A stream that should have been held until it was whole, and was not.
void Attempt::warn_of_early_commit() const
{
    const auto& progress = recorder_.progress();
    const bool whole = progress.complete || progress.stream.end;
    if (!answers(recorder_.api()) || recorder_.kind() != ReplyKind::event_stream || whole ||
        !recorder_.legible())
        return;
    spdlog::warn("a stream of upstream {} is sent on before it is whole: {}", upstream_.name,
                 pressure_.memory_short ? "as much is held as may be (server.max_buffered)"
                                        : "it is longer than 32 MiB");
}

/// Whether a limit of holding the reply back has passed that decides on it.
bool Attempt::decided_by_time()
{
    const auto now = Clock::now();
    const auto passed = [now](TimePoint& limit) {
        const bool is_over = now >= limit;
        if (is_over)
            limit = TimePoint::max();
        return is_over;
    };
    const bool commit_after = passed(commit_at_);
    const bool first_content = passed(first_content_at_);
    pressure_.commit_after_passed |= commit_after;
    pressure_.first_content_passed |= first_content;
    return (commit_after || first_content) && decide() != Decision::hold;
}

AttemptFailure Attempt::content_failure()
{
    stash();  // its connection may be looked at, by way of the loop's scratch
    const auto cause = decision_.cause;
    const bool is_reply = cause == Cause::blank || cause == Cause::error_event || cause == Cause::error_body;
    if (is_reply)
        keep_failed_reply();
    auto words = std::string{decision_.detail};
    if (cause == Cause::error_event)
        words = quoted(recorder_.event_error_words());
    else if (cause == Cause::error_body)
        words = error_body_words();
    if (complete())
        release();
    else
        connection().close();
    auto failure = http_.failed(cause, {}, std::move(words));
    failure.may_pass = recorder_.error_may_pass();
    return failure;
}

/// What has come says all there is to say: nothing more is waited for.
void Attempt::keep_failed_reply()
{
    kept_whole_ = may_be_relayed(reply().status(), upstream_.asis);
}

std::optional<AttemptFailure> Attempt::error_inside() const
{
    const auto& stream = recorder_.progress().stream;
    if (!stream.error && !stream.late_error)
        return std::nullopt;
    return failed_as_it_says(recorder_.event_error_words());
}

AttemptFailure Attempt::failed_as_it_says(std::string_view words) const
{
    return http_.failed(Cause::error_event, {}, quoted(words));
}

void Attempt::remember_made(bool whole)
{
    if (recorder_.making() == Making::nothing)
        return;
    if (whole)
        recorder_.complete();
    const auto& made = capture().made_ids;
    if (remembered_ == made.size())
        return;
    const auto maker = maker_key(upstream_.name);
    for (; remembered_ < made.size(); ++remembered_)
        loop_.services.makers.note(made[remembered_], maker);
}

std::string Attempt::quoted(std::string_view words, bool cut) const
{
    const auto own = client_secrets();
    const std::array<const SecretEraser*, 2> erasers{&table_.secrets, &own};
    return quote_words(std::string{words}, cut, erasers);
}

}  // namespace route::net
