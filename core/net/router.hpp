#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/failover/candidates.hpp"
#include "core/failover/tries.hpp"
#include "core/net/attempt.hpp"
#include "core/net/hedge.hpp"
#include "core/net/kept_reply.hpp"
#include "core/net/try_notes.hpp"
#include "core/openai/error_body.hpp"
#include "core/record.hpp"

namespace route::net {

/// Chooses the upstreams for one request and tries them in their order, until a reply may be committed or all
/// have failed (SPEC 5). Notes each failed attempt in the record and in the upstream's cooldown.
class Router
{
  public:
    /// All outlive it, and it outlives the reply.
    Router(EventLoop& loop, const RoutingTable& table, Client& client, const OutgoingRequest& request,
           Record& record, TimePoint started);

    awaitable<Routed> route();

    TryNotes& notes() { return notes_; }

  private:
    std::optional<RouterError> choose();
    AttemptLimits limits(std::size_t index, TimePoint total) const;
    std::unique_ptr<Attempt> make_attempt(std::size_t index, TimePoint total, Requester& requester,
                                          ReplyCapture& capture);
    TryFailure try_failure(const Attempt& attempt, const AttemptFailure& failure, TimePoint total);
    awaitable<void> pause(Clock::duration wait);
    bool is_final(const AttemptFailure& failure) const;

    /// What came of one attempt, or of two.
    struct Hedged
    {
        std::optional<AttemptFailure> failure = {};  ///< none: the attempt may be committed
        bool noted = false;                          ///< the failure is
        bool both = false;                           ///< two have failed
    };
    bool hedges(const Tries& tries) const;
    Seconds hedge_after(const Upstream& upstream) const;
    awaitable<Hedged> run_hedged(Tries& tries, TimePoint total, Routed& routed,
                                 std::unique_ptr<Attempt>& attempt, CooldownTurn& turn);
    Hedged note_hedge(HedgeRace::Verdict verdict, const Hedge& hedge, const std::unique_ptr<Attempt>& first,
                      const std::unique_ptr<Attempt>& second);

    EventLoop& loop_;
    const RoutingTable& table_;
    Client& client_;
    const OutgoingRequest& request_;
    Record& record_;
    ModelAndPath asked_;
    std::vector<const Upstream*> candidates_;
    TryNotes notes_;
    int tries_ = 0;
    std::unique_ptr<ReplyCapture> second_capture_;  ///< of the attempt beside the first
};

}  // namespace route::net
