#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "core/failover/cooldown.hpp"
#include "core/net/attempt.hpp"

namespace route::net {

/// What the head of a failed reply asks for before a further try.
std::optional<std::chrono::milliseconds> asked_wait_of(const Attempt& attempt);

/// Notes each try of one request when it has ended: a line of its record, and the cooldown of its upstream.
class TryNotes
{
  public:
    /// All outlive it. `model_asked`: as the client calls it, "" when it names none.
    TryNotes(EventLoop& loop, const RoutingTable& table, const Client& client, Record& record,
             std::string_view model_asked, TimePoint started);

    /// Before commit.
    void failed(const Attempt& attempt, AttemptFailure failure, TimePoint ended);
    /// It was cancelled, as one beside it may be committed. Counts for no cooldown.
    void superseded(Attempt& attempt);

    /// The reply is to be committed: others may ask its upstream in its order again. Whether it is whole
    /// remains to be seen.
    void answered(const Attempt& attempt);

    /// The reply that was committed has ended: as a line of the record, after what that says of the request,
    /// and for the upstream's cooldown. `failure`: of the upstream, if it was one.
    void ended(const Attempt& attempt, const std::optional<AttemptFailure>& failure);

    /// A try that says nothing of how its upstream answers, for good or bad: a line of the record alone.
    void listed(const Attempt& attempt, const std::optional<AttemptFailure>& failure);

    /// The upstream did what it was asked for: at the end of its reply, of a WebSocket at its beginning.
    void succeeded(const Upstream& upstream);

    /// Time spent waiting for upstreams, and before further tries.
    Clock::duration waited() const { return waited_; }
    void set_waited(Clock::duration waited) { waited_ = waited; }
    void add_wait(Clock::duration wait) { waited_ += wait; }

  private:
    AttemptRecord attempt_record(const Attempt& attempt, TimePoint ended) const;
    AttemptRecord failure_record(const Attempt& attempt, AttemptFailure& failure, TimePoint ended) const;
    void note_failure(const Attempt& attempt, const AttemptFailure& failure);
    ContentTime* content_time_of(const Attempt& attempt) const;
    void note_content_failed(const Attempt& attempt, const AttemptFailure& failure, TimePoint ended);
    void report_cooldown(const Attempt& attempt, const AttemptFailure& failure,
                         const Cooldown::Begun& started);
    void report_recovery(const Upstream& upstream, const Cooldown::Ends& ends);

    EventLoop& loop_;
    const RoutingTable& table_;
    const Client& client_;
    Record& record_;
    std::string_view model_asked_;
    TimePoint started_;
    Clock::duration waited_{};
};

}  // namespace route::net
