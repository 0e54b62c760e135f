// What is noted of each try of an upstream.
#include "core/net/try_notes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/failover/retry_after.hpp"

namespace route::net {

namespace {

/// What a stream that nobody gets said of its tokens: they are paid for.
std::string told_tokens(const ReplyCapture& capture)
{
    const auto& said = capture.summary;
    if (capture.kind != ReplyCapture::Kind::summary || (!said.prompt_tokens && !said.completion_tokens))
        return {};
    return fmt::format("it reported {} prompt and {} completion tokens", said.prompt_tokens.value_or(0),
                       said.completion_tokens.value_or(0));
}

}  // namespace

TryNotes::TryNotes(EventLoop& loop, const RoutingTable& table, const Client& client, Record& record,
                   std::string_view model_asked, TimePoint started)
    : loop_{loop},
      table_{table},
      client_{client},
      record_{record},
      model_asked_{model_asked},
      started_{started}
{
}

std::optional<std::chrono::milliseconds> asked_wait_of(const Attempt& attempt)
{
    const auto& fields = attempt.reply().fields();
    return asked_wait(find_field(fields, "retry-after-ms"), find_field(fields, http::field::retry_after),
                      std::chrono::system_clock::now());
}

AttemptRecord TryNotes::attempt_record(const Attempt& attempt, TimePoint ended) const
{
    AttemptRecord note;
    const auto& upstream = attempt.upstream();
    note.number = attempt.number();
    note.upstream_id = upstream.id;
    note.upstream_name = upstream.name;
    note.started_at = record_.created_at + std::chrono::duration_cast<std::chrono::system_clock::duration>(
                                               attempt.started() - started_);
    note.elapsed_time = ended - attempt.started();
    if (attempt.first_byte())
        note.first_byte_time = *attempt.first_byte() - attempt.started();
    return note;
}

/// A client that seems to have gone may have been told to by the router: `failure` says so then.
AttemptRecord TryNotes::failure_record(const Attempt& attempt, AttemptFailure& failure, TimePoint ended) const
{
    if (failure.cause == Cause::client_gone) {
        failure.phase = Phase::await_head;
        failure.status.reset();
        if (client_.stopped())
            failure.cause = Cause::stopped;
    }
    auto note = attempt_record(attempt, ended);
    if (failure.phase != Phase::proxy)
        note.status = failure.status;
    note.outcome = outcome_of(failure);
    note.error = describe(failure);
    return note;
}

void TryNotes::failed(const Attempt& attempt, AttemptFailure failure, TimePoint ended)
{
    auto note = failure_record(attempt, failure, ended);
    waited_ += attempt.waited();
    record_.attempts.push_back(std::move(note));
    note_content_failed(attempt, failure, ended);
    note_failure(attempt, failure);
}

void TryNotes::listed(const Attempt& attempt, const std::optional<AttemptFailure>& failure)
{
    if (failure) {
        auto seen = *failure;
        record_.attempts.push_back(failure_record(attempt, seen, Clock::now()));
        return;
    }
    auto note = attempt_record(attempt, Clock::now());
    note.status = attempt.reply().status();
    record_.attempts.push_back(std::move(note));
}

void TryNotes::superseded(Attempt& attempt)
{
    attempt.recorder().finish();
    auto failure = attempt.failed(Cause::superseded);
    failure.detail = told_tokens(attempt.capture());
    failed(attempt, std::move(failure), Clock::now());
}

void TryNotes::ended(const Attempt& attempt, const std::optional<AttemptFailure>& failure)
{
    const bool switched = attempt.reply().status() == 101;
    const auto now = Clock::now();
    auto note = attempt_record(attempt, now);
    note.status = attempt.reply().status();
    if (failure)
        note.outcome = outcome_of(*failure);
    else if (record_.outcome == RequestOutcome::truncated && !client_.stopped())
        note.outcome = AttemptOutcome::timeout;  // of a tunnel in which nobody spoke
    else if (record_.outcome != RequestOutcome::ok)
        note.outcome = AttemptOutcome::client_closed;  // or the router stopped
    if (note.outcome != AttemptOutcome::ok)
        note.error = record_.error;
    waited_ += attempt.waited();
    record_.attempts.push_back(std::move(note));
    if (failure) {
        note_content_failed(attempt, *failure, now);
        note_failure(attempt, *failure);
    } else if (!switched) {
        succeeded(attempt.upstream());  // of a tunnel that was said before: what happened meanwhile stays
    }
}

void TryNotes::note_failure(const Attempt& attempt, const AttemptFailure& failure)
{
    const auto& upstream = attempt.upstream();
    const auto& failover = table_.settings.failover;
    if (!counts_for_cooldown(failure, upstream.asis))
        return;
    FailedTry failed{attempt.started()};
    const bool answered = failure.status && failure.phase != Phase::proxy;
    if (answered && may_ask_to_wait(*failure.status))
        failed.asked_wait = asked_wait_of(attempt);
    const CooldownRule rule{failover.cooldown_after, ticks(failover.cooldown)};
    const bool rate_limited = answered && failure.status == 429u;
    const auto start = upstream.cooldown->failed(model_asked_, rate_limited, Clock::now(), failed, rule);
    if (start)
        report_cooldown(attempt, failure, *start);
}

void TryNotes::report_cooldown(const Attempt& attempt, const AttemptFailure& failure,
                               const Cooldown::Begun& started)
{
    CooldownStart start;
    start.upstream = attempt.upstream().name;
    start.failures = started.failures;
    start.outcome = outcome_of(failure);
    start.status = failure.status;
    start.error = describe(failure);
    start.length = started.length;
    if (started.of_model)
        start.model = *record_.model;
    loop_.services.on_cooldown(start);
}

void TryNotes::answered(const Attempt& attempt)
{
    if (auto* const known = content_time_of(attempt)) {
        const auto now = Clock::now();
        known->of(record_.stream).add(attempt.content_at().value_or(now) - attempt.started(), now);
    }
    const auto& upstream = attempt.upstream();
    report_recovery(upstream, upstream.cooldown->answered(model_asked_));
}

/// Null where nobody asks for it, or the reply is not judged by its content.
ContentTime* TryNotes::content_time_of(const Attempt& attempt) const
{
    if (table_.settings.failover.order != UpstreamOrder::fastest ||
        !answers(api_of(attempt.request().method, attempt.request().path)))
        return nullptr;
    return attempt.upstream().content_time.get();
}

/// A failure of the upstream counts as slow. One that was not waited for has taken so long at least.
void TryNotes::note_content_failed(const Attempt& attempt, const AttemptFailure& failure, TimePoint ended)
{
    auto* const known = content_time_of(attempt);
    if (known == nullptr)
        return;
    auto& mean = known->of(record_.stream);
    const auto took = ended - attempt.started();
    if (failure.cause == Cause::client_gone || failure.cause == Cause::superseded)
        mean.add_at_least(took, ended);
    else if (counts_for_cooldown(failure, attempt.upstream().asis))
        mean.add(std::max<Clock::duration>(took, ContentTime::failed), ended);
}

void TryNotes::succeeded(const Upstream& upstream)
{
    report_recovery(upstream, upstream.cooldown->succeeded(model_asked_));
}

void TryNotes::report_recovery(const Upstream& upstream, const Cooldown::Ends& ends)
{
    const auto report = [&](const Cooldown::Away& away, const std::string& model) {
        const auto now = Clock::now();
        const auto length = away.length(now);
        if (away.told || length >= CooldownState::quiet)
            loop_.services.on_recovered({upstream.name, std::chrono::floor<std::chrono::seconds>(length),
                                         std::chrono::floor<std::chrono::seconds>(now - away.since), model});
    };
    if (ends.upstream)
        report(*ends.upstream, {});
    if (ends.model)
        report(*ends.model, *record_.model);
}

}  // namespace route::net
