#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "core/failover/candidates.hpp"
#include "core/failover/tries.hpp"
#include "core/net/attempt.hpp"
#include "core/openai/error_body.hpp"
#include "core/record.hpp"

namespace route::net {

/// A failed attempt that left a whole response.
struct KeptReply
{
    std::unique_ptr<Attempt> attempt;
    ShownReply shown;  ///< what of it the client gets to see
    AttemptFailure failure;
    bool untried = false;  ///< it is final although other upstreams were not asked
};

/// What came of trying the upstreams for a request. Small: it lasts as long as a stream.
struct Routed
{
    std::unique_ptr<Attempt> reply;    ///< may be committed
    std::unique_ptr<KeptReply> kept;   ///< else the last of these
    std::optional<RouterError> error;  ///< else what the router says itself
};  ///< nothing of all this: the client has left

/// Chooses the upstreams for one request and tries them in their order, until a reply may be committed or all
/// have failed (SPEC 5). Notes each failed attempt in the record and in the upstream's cooldown.
class Router
{
  public:
    /// All outlive it.
    Router(EventLoop& loop, const RoutingTable& table, Client& client, const OutgoingRequest& request,
           Record& record, TimePoint started);

    awaitable<Routed> route();

    /// The reply that was committed has ended: as a line of the record, after what that says of the request,
    /// and for the upstream's cooldown. `failure`: of the upstream, if it was one.
    void note_end(const Attempt& attempt, const std::optional<AttemptFailure>& failure);

    /// The upstream did what it was asked for: at the end of its reply, of a WebSocket at its beginning.
    void note_success(const Upstream& upstream);

    /// Time spent waiting for upstreams.
    Clock::duration waited() const { return waited_; }

  private:
    std::optional<RouterError> choose();
    AttemptLimits limits(const Tries& tries, TimePoint total) const;
    TryFailure try_failure(const Attempt& attempt, const AttemptFailure& failure, TimePoint total);
    awaitable<void> pause(Clock::duration wait);
    void note_failed_attempt(const Attempt& attempt, AttemptFailure failure);
    bool is_final(const AttemptFailure& failure) const;
    awaitable<void> keep(Routed& routed, std::unique_ptr<Attempt> attempt, AttemptFailure failure);
    awaitable<std::optional<ShownReply>> show(const Attempt& attempt);
    AttemptRecord attempt_record(const Attempt& attempt) const;
    void note_failure(const Attempt& attempt, const AttemptFailure& failure);
    void note_answer(const Upstream& upstream);
    std::string_view model_asked() const;
    void report_cooldown(const Attempt& attempt, const AttemptFailure& failure,
                         const Cooldown::Begun& started);
    void report_recovery(const Upstream& upstream, const Cooldown::Ends& ends);
    RouterError all_failed() const;

    EventLoop& loop_;
    const RoutingTable& table_;
    Client& client_;
    const OutgoingRequest& request_;
    Record& record_;
    TimePoint started_;
    ModelAndPath asked_;
    std::vector<const Upstream*> candidates_;
    Clock::duration waited_{};
};

}  // namespace route::net
