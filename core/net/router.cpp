// The failover loop: which upstream next, and what the client gets in the end.
#include "core/net/router.hpp"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "core/failover/candidates.hpp"
#include "core/http/reply_kind.hpp"
#include "core/net/hedge.hpp"
#include "core/text.hpp"

namespace route::net {

namespace {

awaitable<void> pass(EventLoop& loop, Clock::duration wait)
{
    Timer timer{loop.io.get_executor(), wait};
    auto passed = timer.async_wait(no_throw);
    co_await std::move(passed);
}

}  // namespace

Router::Router(EventLoop& loop, const RoutingTable& table, Client& client, const OutgoingRequest& request,
               Record& record, TimePoint started)
    : loop_{loop},
      table_{table},
      client_{client},
      request_{request},
      record_{record},
      asked_{request.facts.model, request.head.path, request.facts.model_cut},
      notes_{loop,
             table,
             client,
             record,
             request.facts.model ? std::string_view{*request.facts.model} : std::string_view{},
             started}
{
    if (!request.path_model.empty()) {
        asked_.model = request.path_model;
        asked_.model_cut = request.path_model.size() >= max_model_name;
    }
}

/// The candidates in their order, or why there is none.
std::optional<RouterError> Router::choose()
{
    const auto& facts = request_.facts;
    // Whether it rests or is full: no other knows what is asked for.
    if (request_.maker != nullptr && is_eligible(*request_.maker, asked_)) {
        candidates_ = {request_.maker};
        return std::nullopt;
    }
    const OrderRule rule{table_.settings.failover.order, request_.session, facts.stream};
    candidates_ = candidates(table_.upstreams, asked_, rule, Clock::now(), [this] { return loop_.random(); });
    if (!candidates_.empty())
        return std::nullopt;
    if (table_.upstreams.empty())
        return RouterError{503, "no_upstream", "no upstream is configured and enabled"};
    std::string what = "a request without a model on this path";
    if (!request_.path_model.empty())
        what = "the model of this path";
    else if (facts.model)
        what = "model '" + std::string{cut_utf8(*record_.model, 128)} + "'";
    return RouterError{404, "model_not_found", "no upstream allows " + what};
}

AttemptLimits Router::limits(std::size_t index, TimePoint total) const
{
    const TimeoutFacts facts{request_.facts.stream, request_.body.size(), index + 1 == candidates_.size()};
    return {attempt_timeouts(table_.settings.timeouts, facts, *candidates_[index]), total};
}

std::unique_ptr<Attempt> Router::make_attempt(std::size_t index, TimePoint total, Requester& requester,
                                              ReplyCapture& capture)
{
    return std::make_unique<Attempt>(loop_, table_, *candidates_[index], request_, limits(index, total),
                                     requester, capture, ++tries_);
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
        auto attempt = make_attempt(tries.index(), total, client_, record_.reply);
        std::optional<AttemptFailure> failure;
        Hedged hedged;
        if (hedges(tries)) {
            auto racing = run_hedged(tries, total, routed, attempt, turn);
            hedged = co_await std::move(racing);
            failure = hedged.failure;
        } else {
            failure = co_await attempt->run();
        }
        if (!failure) {
            notes_.answered(*attempt);
            routed.kept.reset();
            routed.reply = std::move(attempt);
            co_return routed;
        }
        if (!hedged.noted)
            notes_.failed(*attempt, *failure, Clock::now());
        auto tried = try_failure(*attempt, *failure, total);
        if (hedged.both)
            tried.retries = 0;
        const auto* const failed = attempt.get();
        auto keeping = keep(loop_, notes_, routed.kept, std::move(attempt), *failure);
        co_await std::move(keeping);
        const bool last = is_final(*failure) && routed.kept && routed.kept->attempt.get() == failed;
        const auto wait = last ? std::nullopt : tries.next(tried);
        const auto verdict = judge(*failure, {wait.has_value(), routed.kept != nullptr});
        if (verdict == Verdict::abandon)
            break;
        if (verdict == Verdict::respond)
            routed.error = all_failed(record_.attempts);
        if (verdict != Verdict::next_try) {
            routed.untried = tries.untried();
            co_return routed;
        }
        turn.end();
        if (*wait > Clock::duration{})
            co_await pause(*wait);
    }
    routed.kept.reset();  // nobody is there to be answered
    co_return routed;
}

bool Router::hedges(const Tries& tries) const
{
    if (hedge_after(*candidates_[tries.index()]).count() <= 0)
        return false;
    HedgeFacts facts;
    facts.api = api_of(request_.head.method, request_.head.path);
    facts.upgrade = request_.head.upgrade_websocket;
    facts.hedged = second_capture_ != nullptr;
    facts.other_left = !tries.last_upstream() && !is_full(*candidates_[tries.index() + 1]);
    return may_hedge(facts);
}

/// The upstream's own wins.
Seconds Router::hedge_after(const Upstream& upstream) const
{
    return upstream.hedge_after.value_or(table_.settings.failover.hedge_after);
}

/// Runs the attempt and, when it takes its time, one of the next upstream beside it. Afterwards `attempt` is
/// the one that decided the race, and `tries` is at the upstream behind which others come; what became of the
/// other is noted.
awaitable<Router::Hedged> Router::run_hedged(Tries& tries, TimePoint total, Routed& routed,
                                             std::unique_ptr<Attempt>& attempt, CooldownTurn& turn)
{
    CooldownTurn second_turn;
    const auto waited = notes_.waited();
    const auto began = Clock::now();
    Hedge::Rules rules;
    rules.begin_second = [&](Requester& requester) {
        second_turn = take_turn(candidates_, tries.index() + 1, asked_, Clock::now());
        second_capture_ = std::make_unique<ReplyCapture>();
        return make_attempt(tries.index() + 1, total, requester, *second_capture_);
    };
    rules.is_last_word = [this](const Attempt& which, const AttemptFailure& failure) {
        return is_final(failure) && which.kept_whole();
    };
    // At once: its cooldown begins, its upstream need not go on, and others may probe it.
    rules.on_failed = [&, first = attempt.get()](Attempt& which, const AttemptFailure& failure) {
        notes_.failed(which, failure, Clock::now());
        (&which == first ? turn : second_turn).end();
        which.give_up();
    };
    Hedge hedge{loop_, client_, *attempt, ticks(hedge_after(attempt->upstream())), rules};
    const auto verdict = co_await hedge.run();
    auto second = hedge.take_second();
    auto end = note_hedge(verdict, hedge, attempt, second);
    if (second && verdict == HedgeRace::Verdict::both_failed) {
        auto tried = try_failure(*attempt, *hedge.first_failure(), total);
        tried.retries = 0;  // the next upstream has been asked
        if (!tries.next(tried))
            tries.skip();
        // The last response of the two is the one that may be relayed.
        if (!hedge.first_ended_last())
            std::swap(attempt, second);
        auto earlier = hedge.first_ended_last() ? *hedge.second_failure() : *hedge.first_failure();
        auto keeping = keep(loop_, notes_, routed.kept, std::move(second), std::move(earlier));
        co_await std::move(keeping);
    } else if (verdict == HedgeRace::Verdict::second_wins) {
        tries.skip();
        std::swap(attempt, second);
        turn = std::move(second_turn);
    }
    // What overlaps is waited for once; that of the one that is noted later comes with it.
    const auto later = end.noted ? Clock::duration{} : attempt->waited();
    notes_.set_waited(waited + (Clock::now() - began) - later);
    co_return end;
}

/// Notes the one that did not decide the race; those that failed were noted when they did.
Router::Hedged Router::note_hedge(HedgeRace::Verdict verdict, const Hedge& hedge,
                                  const std::unique_ptr<Attempt>& first,
                                  const std::unique_ptr<Attempt>& second)
{
    using Verdict = HedgeRace::Verdict;
    if (second) {
        record_.hedged_upstream = second->upstream().name;
        record_.hedge_won = verdict == Verdict::second_wins;
    }
    Hedged end;
    switch (verdict) {
        case Verdict::first_wins:
            if (second && !hedge.second_failure())
                notes_.superseded(*second);
            end.failure = hedge.first_failure();
            break;
        case Verdict::second_wins:
            if (!hedge.first_failure())
                notes_.superseded(*first);
            record_.reply.clear();
            end.failure = hedge.second_failure();
            break;
        case Verdict::client_left:
            if (second && !hedge.second_failure())
                notes_.failed(*second, second->failed(Cause::client_gone), Clock::now());
            end.failure = first->failed(Cause::client_gone);
            end.noted = hedge.first_failure() && hedge.first_failure()->cause != Cause::client_gone;
            break;
        case Verdict::both_failed:
        case Verdict::open:
            end.failure =
                second && !hedge.first_ended_last() ? hedge.second_failure() : hedge.first_failure();
            end.noted = true;
            end.both = second != nullptr;
            break;
    }
    return end;
}

/// Relayed at once: what it says is for the client to hear.
bool Router::is_final(const AttemptFailure& failure) const
{
    return failure.cause == Cause::status && failure.phase != Phase::proxy &&
           is_final_status(table_.settings.failover, *failure.status);
}

TryFailure Router::try_failure(const Attempt& attempt, const AttemptFailure& failure, TimePoint total)
{
    const auto& failover = table_.settings.failover;
    TryFailure tried;
    tried.further = further_try(failure);
    tried.retries = attempt.upstream().retries.value_or(failover.retries);
    const bool counts = tried.retries > 0 || failover.rounds > 1;
    if (counts && failure.status && failure.phase != Phase::proxy)
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
    notes_.add_wait(Clock::now() - begin);
}

}  // namespace route::net
