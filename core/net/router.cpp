// The failover loop: which upstream next, and what the client gets in the end.
#include <algorithm>

#include "core/candidates.hpp"
#include "core/failover/retry_after.hpp"
#include "core/net/exchange.hpp"
#include "core/text.hpp"

namespace route::net {

awaitable<void> Exchange::route()
{
    if (!loop_.services.sink.has_room())
        co_await admit();
    const Wanted wanted{facts_.model, request_.path, facts_.model_cut};
    const auto& failover = table_->settings.failover;
    const auto chosen = candidates(table_->upstreams, wanted, failover.order, Clock::now(),
                                   [this] { return loop_.random(); });
    if (chosen.empty()) {
        RouterError error{503, "no_upstream", "no upstream is configured and enabled"};
        if (!table_->upstreams.empty()) {
            const auto what = facts_.model ? "model '" + std::string{cut_utf8(*record_.model, 128)} + "'"
                                           : "a request without a model on this path";
            error = RouterError{404, "model_not_found", "no upstream allows " + what};
        }
        co_await answer(std::move(error));
        co_return;
    }
    const auto body_bytes = request_.body.size();
    const bool has_body = body_bytes > 0 || request_.parser->content_length() || request_.parser->chunked();
    std::optional<std::uint64_t> content_length;
    if (has_body)
        content_length = body_bytes;
    const OutgoingRequest outgoing{UpstreamRequest{request_.parser->method(), request_.path, request_.query,
                                                   request_.fields(), content_length, key_place_, websocket_},
                                   request_.body, facts_, request_.head_only(), record_.client_keys};
    const TimeoutFacts timeout_facts{facts_.stream, body_bytes, chosen.size() == 1};
    const auto total = failover.total.count() > 0 ? Clock::now() + ticks(failover.total) : TimePoint::max();

    client_.watch(&Exchange::on_client_gone, this);
    std::unique_ptr<Attempt> kept;
    std::optional<ShownReply> shown;  ///< what of `kept` the client gets to see
    for (std::size_t index = 0; index < chosen.size(); ++index) {
        const auto& upstream = *chosen[index];
        const AttemptLimits limits{attempt_timeouts(table_->settings.timeouts, timeout_facts, upstream),
                                   total};
        attempt_ = std::make_unique<Attempt>(loop_, *table_, upstream, outgoing, limits, timers_.attempt,
                                             timers_.commit, record_.reply);
        if (client_.gone())
            attempt_->abort(Cause::client_gone);
        bool succeeded = false;
        if (!client_.gone() && !stopped_)
            succeeded = co_await attempt_->run();
        const auto number = static_cast<int>(index) + 1;
        if (succeeded) {
            if (attempt_->reply().status() == 101) {
                note_success(upstream);  // not when it ends: what happened meanwhile stays
                co_await tunnel(*attempt_);
            } else if (attempt_->complete()) {
                auto written = relay_whole(*attempt_);
                if (written == ReplyWriter::Written::waiting)
                    written = co_await writer_.drain();
                end_relay(*attempt_, written);
            } else {
                co_await relay(*attempt_);
            }
            note_attempt(*attempt_, number, nullptr);
            if (record_.outcome == RequestOutcome::truncated && attempt_->failed())
                judge_cooldown(*attempt_, attempt_->failure());
            else if (attempt_->reply().status() != 101)
                note_success(upstream);
            break;
        }
        if (client_.gone() || stopped_) {
            AttemptFailure failure;
            failure.phase = Phase::await_head;
            failure.cause = client_.gone() ? Cause::client_gone : Cause::stopped;
            note_attempt(*attempt_, number, &failure);
            client_closed("while it waited");
            break;
        }
        const auto failure = attempt_->failure();
        note_attempt(*attempt_, number, &failure);
        judge_cooldown(*attempt_, failure);
        const bool may_keep = failure.cause == Cause::status && attempt_->kept_whole() &&
                              may_be_relayed(*failure.status, upstream.asis);
        if (may_keep) {
            auto as_shown = attempt_->shown();
            if (as_shown) {
                shown = std::move(as_shown);
                kept = std::move(attempt_);
            }
        }
        Progress progress;
        progress.candidates_left = index + 1 < chosen.size();
        progress.total_expired = Clock::now() >= total;
        progress.response_kept = kept != nullptr;
        const auto verdict = judge(failure, progress);
        if (verdict == Verdict::next_upstream)
            continue;
        if (verdict == Verdict::relay_kept)
            co_await relay_kept(*kept, *shown);
        if (verdict == Verdict::respond) {
            auto error = all_failed();
            co_await answer(std::move(error), "x-should-retry: false\r\n");
        }
        break;
    }
    attempt_.reset();
    client_.unwatch();
}

/// Waits for room for the record, 5 s at most; then the request is served unrecorded.
awaitable<void> Exchange::admit()
{
    constexpr auto patience = std::chrono::seconds{5};
    constexpr auto step = std::chrono::milliseconds{50};
    auto& sink = loop_.services.sink;
    Timer timer{loop_.io.get_executor()};
    const auto limit = Clock::now() + patience;
    while (!sink.has_room() && Clock::now() < limit && !stopped_) {
        timer.expires_after(step);
        auto passed = timer.async_wait(asio::deferred);
        try {
            co_await std::move(passed);
        } catch (const boost::system::system_error&) {
            break;
        }
    }
    unrecordable_ = !sink.has_room();
}

void Exchange::note_attempt(const Attempt& attempt, int number, const AttemptFailure* failure)
{
    AttemptRecord note;
    const auto now = Clock::now();
    const auto& upstream = attempt.upstream();
    note.number = number;
    note.upstream_id = upstream.id;
    note.upstream_name = upstream.name;
    note.started_at = record_.created_at + std::chrono::duration_cast<std::chrono::system_clock::duration>(
                                               attempt.started() - request_.started);
    note.elapsed_time = now - attempt.started();
    if (attempt.first_byte())
        note.first_byte_time = *attempt.first_byte() - attempt.started();
    if (failure != nullptr) {
        if (failure->phase != Phase::proxy)
            note.status = failure->status;
        note.outcome = outcome_of(*failure);
        note.error = describe(*failure);
    } else {
        note.status = attempt.reply().status();
        if (attempt.failed())
            note.outcome = outcome_of(attempt.failure());
        else if (record_.outcome == RequestOutcome::truncated && !stopped_)
            note.outcome = AttemptOutcome::timeout;  // of a tunnel in which nobody spoke
        else if (record_.outcome != RequestOutcome::ok)
            note.outcome = AttemptOutcome::client_closed;  // or the router stopped
        if (note.outcome != AttemptOutcome::ok)
            note.error = record_.error;
    }
    waited_ += attempt.waited();
    record_.attempts.push_back(std::move(note));
}

void Exchange::judge_cooldown(const Attempt& attempt, const AttemptFailure& failure)
{
    const auto& upstream = attempt.upstream();
    const auto& failover = table_->settings.failover;
    if (!counts_for_cooldown(failure, upstream.asis))
        return;
    const auto now = Clock::now();
    if (failure.status && failure.phase != Phase::proxy && may_ask_to_wait(*failure.status)) {
        const auto& fields = attempt.reply().fields();
        const auto wait =
            asked_wait(find_field(fields, "retry-after-ms"), find_field(fields, http::field::retry_after),
                       std::chrono::system_clock::now());
        if (wait && upstream.cooldown->retry_after(now, *wait))
            tell_cooldown(attempt, failure, 0, std::min<Seconds>(*wait, Cooldown::longest_retry_after));
    }
    if (upstream.cooldown->failed(now, failover.cooldown_after, ticks(failover.cooldown)))
        tell_cooldown(attempt, failure, failover.cooldown_after, failover.cooldown);
}

void Exchange::tell_cooldown(const Attempt& attempt, const AttemptFailure& failure, int failures,
                             Seconds length)
{
    CooldownStart start;
    start.upstream = attempt.upstream().name;
    start.failures = failures;
    start.outcome = outcome_of(failure);
    start.status = failure.status;
    start.error = describe(failure);
    start.length = length;
    loop_.services.on_cooldown(start);
}

void Exchange::note_success(const Upstream& upstream)
{
    const auto away = upstream.cooldown->succeeded();
    if (!away)
        return;
    const auto now = Clock::now();
    const auto length = away->length(now);
    if (away->told || length >= Cooldown::quiet)
        loop_.services.on_recovered({upstream.name, std::chrono::floor<std::chrono::seconds>(length),
                                     std::chrono::floor<std::chrono::seconds>(now - away->since)});
}

RouterError Exchange::all_failed() const
{
    std::string message = "every upstream failed: ";
    bool first = true;
    for (const auto& attempt : record_.attempts) {
        if (!first)
            message += "; ";
        first = false;
        message += attempt.upstream_name + ": " + attempt.error;
    }
    const bool timed_out =
        !record_.attempts.empty() && record_.attempts.back().outcome == AttemptOutcome::timeout;
    return RouterError{502, timed_out ? "upstream_timeout" : "upstream_error", std::move(message)};
}

}  // namespace route::net
