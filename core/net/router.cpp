// The failover loop: which upstream next, and what the client gets in the end.
#include "core/net/router.hpp"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "core/failover/candidates.hpp"
#include "core/failover/retry_after.hpp"
#include "core/http/reply_kind.hpp"
#include "core/net/loop/off_loop.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

awaitable<void> pass(EventLoop& loop, Clock::duration wait)
{
    Timer timer{loop.io.get_executor(), wait};
    auto passed = timer.async_wait(no_throw);
    co_await std::move(passed);
}

std::optional<std::chrono::milliseconds> asked_wait_of(const Attempt& attempt)
{
    const auto& fields = attempt.reply().fields();
    return asked_wait(find_field(fields, "retry-after-ms"), find_field(fields, http::field::retry_after),
                      std::chrono::system_clock::now());
}

}  // namespace

Router::Router(EventLoop& loop, const RoutingTable& table, Client& client, const OutgoingRequest& request,
               Record& record, TimePoint started)
    : loop_{loop},
      table_{table},
      client_{client},
      request_{request},
      record_{record},
      started_{started},
      asked_{request.facts.model, request.head.path, request.facts.model_cut}
{
}

/// The candidates in their order, or why there is none.
std::optional<RouterError> Router::choose()
{
    const auto& facts = request_.facts;
    candidates_ = candidates(table_.upstreams, asked_, table_.settings.failover.order, Clock::now(),
                             [this] { return loop_.random(); });
    if (!candidates_.empty())
        return std::nullopt;
    if (table_.upstreams.empty())
        return RouterError{503, "no_upstream", "no upstream is configured and enabled"};
    const auto what = facts.model ? "model '" + std::string{cut_utf8(*record_.model, 128)} + "'"
                                  : "a request without a model on this path";
    return RouterError{404, "model_not_found", "no upstream allows " + what};
}

AttemptLimits Router::limits(const Tries& tries, TimePoint total) const
{
    const TimeoutFacts facts{request_.facts.stream, request_.body.size(), tries.last_upstream()};
    return {attempt_timeouts(table_.settings.timeouts, facts, *candidates_[tries.index()]), total};
}

awaitable<Routed> Router::route()
{
    Routed routed;
    routed.error = choose();
    if (routed.error)
        co_return routed;
    const auto& failover = table_.settings.failover;
    const auto total = failover.total.count() > 0 ? Clock::now() + ticks(failover.total) : TimePoint::max();
    const TryRules rules{failover.rounds, ticks(failover.retry_wait)};
    Tries tries{candidates_.size(), rules};
    while (!client_.has_left()) {
        CooldownTurn turn;
        if (!tries.again())
            turn = take_turn(candidates_, tries.index(), asked_, Clock::now());
        const auto& upstream = *candidates_[tries.index()];
        auto attempt = std::make_unique<Attempt>(loop_, table_, upstream, request_, limits(tries, total),
                                                 client_, record_.reply);
        const auto failure = co_await attempt->run();
        if (!failure) {
            note_answer(upstream);
            routed.reply = std::move(attempt);
            co_return routed;
        }
        note_failed_attempt(*attempt, *failure);
        const auto tried = try_failure(*attempt, *failure, total);
        auto keeping = keep(routed, std::move(attempt), *failure);
        co_await std::move(keeping);
        const bool last = is_final(*failure) && routed.kept != nullptr;
        const bool others_left = !tries.last_upstream();
        const auto wait = last ? std::nullopt : tries.next(tried);
        const auto verdict = judge(*failure, {wait.has_value(), routed.kept != nullptr});
        if (verdict == Verdict::abandon)
            break;
        if (verdict == Verdict::respond)
            routed.error = all_failed();
        if (verdict == Verdict::relay_kept)
            routed.kept->untried = last && others_left;
        if (verdict != Verdict::next_try)
            co_return routed;
        turn.end();
        if (*wait > Clock::duration{})
            co_await pause(*wait);
    }
    routed.kept.reset();  // nobody is there to be answered
    co_return routed;
}

/// Relayed at once: what it says is for the client to hear.
bool Router::is_final(const AttemptFailure& failure) const
{
    return failure.cause == Cause::status && failure.phase != Phase::proxy &&
           is_final_status(table_.settings.failover, *failure.status);
}

TryFailure Router::try_failure(const Attempt& attempt, const AttemptFailure& failure, TimePoint total)
{
    TryFailure tried;
    tried.further = further_try(failure);
    tried.retries = table_.settings.failover.retries;
    if (failure.status && failure.phase != Phase::proxy)
        tried.asked_wait = asked_wait_of(attempt);
    if (total != TimePoint::max())
        tried.time_left = total - Clock::now();
    tried.random = loop_.random();
    return tried;
}

/// Before a further try: as long as it lasts, or until the client leaves.
awaitable<void> Router::pause(Clock::duration wait)
{
    using namespace asio::experimental::awaitable_operators;
    const auto begin = Clock::now();
    auto passed = pass(loop_, wait);
    auto gone = client_.gone();
    auto race = std::move(passed) || std::move(gone);
    co_await std::move(race);
    waited_ += Clock::now() - begin;
}

/// The last reply that can be relayed is kept; of those that say they succeeded only the last one of all.
awaitable<void> Router::keep(Routed& routed, std::unique_ptr<Attempt> attempt, AttemptFailure failure)
{
    std::optional<ShownReply> shown;
    if (attempt->kept_whole()) {
        auto showing = show(*attempt);
        shown = co_await std::move(showing);
    }
    if (shown) {
        KeptReply kept{std::move(attempt), *std::move(shown), std::move(failure)};
        routed.kept = std::make_unique<KeptReply>(std::move(kept));
        co_return;
    }
    const bool replied = failure.status && *failure.status / 100 == 2;
    if (replied && routed.kept && routed.kept->failure.cause != Cause::status)
        routed.kept.reset();
}

/// Others of the loop go on while a long reply is looked through, or one of whose length nobody knows.
awaitable<std::optional<ShownReply>> Router::show(const Attempt& attempt)
{
    constexpr std::size_t shown_on_loop = 64u << 10;
    const auto coding = find_field(attempt.reply().fields(), http::field::content_encoding);
    if (attempt.pending().size() <= shown_on_loop && is_no_coding(coding))
        co_return attempt.shown();
    const auto begin = Clock::now();
    std::function<std::optional<ShownReply>()> read = [&attempt] { return attempt.shown(); };
    auto reading = run_off_loop(loop_.services.bodies, loop_, std::move(read));
    auto shown = co_await std::move(reading);
    waited_ += Clock::now() - begin;
    co_return shown;
}

AttemptRecord Router::attempt_record(const Attempt& attempt) const
{
    AttemptRecord note;
    const auto now = Clock::now();
    const auto& upstream = attempt.upstream();
    note.number = static_cast<int>(record_.attempts.size()) + 1;
    note.upstream_id = upstream.id;
    note.upstream_name = upstream.name;
    note.started_at = record_.created_at + std::chrono::duration_cast<std::chrono::system_clock::duration>(
                                               attempt.started() - started_);
    note.elapsed_time = now - attempt.started();
    if (attempt.first_byte())
        note.first_byte_time = *attempt.first_byte() - attempt.started();
    return note;
}

void Router::note_failed_attempt(const Attempt& attempt, AttemptFailure failure)
{
    if (failure.cause == Cause::client_gone) {
        failure.phase = Phase::await_head;
        failure.status.reset();
        if (client_.stopped())
            failure.cause = Cause::stopped;
    }
    auto note = attempt_record(attempt);
    if (failure.phase != Phase::proxy)
        note.status = failure.status;
    note.outcome = outcome_of(failure);
    note.error = describe(failure);
    waited_ += attempt.waited();
    record_.attempts.push_back(std::move(note));
    note_failure(attempt, failure);
}

void Router::note_end(const Attempt& attempt, const std::optional<AttemptFailure>& failure)
{
    const bool switched = attempt.reply().status() == 101;
    auto note = attempt_record(attempt);
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
    if (failure)
        note_failure(attempt, *failure);
    else if (!switched)
        note_success(attempt.upstream());  // of a tunnel that was said before: what happened meanwhile stays
}

void Router::note_failure(const Attempt& attempt, const AttemptFailure& failure)
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
    const auto start = upstream.cooldown->failed(model_asked(), rate_limited, Clock::now(), failed, rule);
    if (start)
        report_cooldown(attempt, failure, *start);
}

void Router::report_cooldown(const Attempt& attempt, const AttemptFailure& failure,
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

/// The client's name for the model, "" when it names none.
std::string_view Router::model_asked() const
{
    return asked_.model ? std::string_view{*asked_.model} : std::string_view{};
}

/// Others may ask the upstream in its order again. Whether the reply is whole remains to be seen.
void Router::note_answer(const Upstream& upstream)
{
    report_recovery(upstream, upstream.cooldown->answered(model_asked()));
}

void Router::note_success(const Upstream& upstream)
{
    report_recovery(upstream, upstream.cooldown->succeeded(model_asked()));
}

void Router::report_recovery(const Upstream& upstream, const Cooldown::Ends& ends)
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

RouterError Router::all_failed() const
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
