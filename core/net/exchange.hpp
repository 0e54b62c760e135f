#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "core/net/authentication.hpp"
#include "core/net/client_reply.hpp"
#include "core/net/request_intake.hpp"
#include "core/net/request_record.hpp"
#include "core/net/router.hpp"

namespace route::net {

/// One request from its head to its record: authenticate, read the body, choose candidates, try them, relay,
/// finish. Exactly one record for every authenticated request, whatever happens.
class Exchange
{
  public:
    /// All outlive it.
    Exchange(EventLoop& loop, Client& client, Request& request, KnownCredential& known);
    ~Exchange();

    /// Answers. Afterwards keep_alive() says whether the connection serves another request.
    awaitable<void> run();

    /// Answers a request that could not even be read.
    awaitable<void> refuse(RouterError error);

    bool keep_alive() const { return reply_.keep_alive(); }

  private:
    // The straight line.
    awaitable<void> serve();
    std::optional<RouterError> authenticate();
    awaitable<const Upstream*> find_maker();
    awaitable<Routed> route(Router& router);
    awaitable<std::optional<AttemptFailure>> send(Router& router, Attempt& attempt);
    void end_reply(Router& router, Attempt& attempt, const std::optional<AttemptFailure>& failure);
    awaitable<void> send_failure(Routed& routed);
    awaitable<void> finish();

    // What leaves it.
    awaitable<void> answer_request();
    awaitable<void> list_models(const OutgoingRequest& request);
    awaitable<void> answer_page();
    awaitable<void> answer_unread_body(ReadOutcome outcome);
    awaitable<void> fail_unexpectedly(std::string what);
    void authenticate_for_record();

    awaitable<std::optional<AttemptFailure>> tunnel(Router& router, Attempt& attempt);
    awaitable<Routed> route_beside_comments(Router& router);
    awaitable<Routed> guarded_route(Router& router);
    awaitable<void> comment_while_waiting();
    bool keeps_alive() const;
    OutgoingRequest outgoing(const Upstream* maker);
    bool leaves_unread_body() const;

    EventLoop& loop_;
    Client& client_;
    Request& request_;
    KnownCredential& known_;
    RoutingTablePtr table_;
    RequestRecord kept_;
    Record& record_;  ///< until finish()
    RequestIntake intake_;
    ClientReply reply_;
    EarlyHead early_;
    std::exception_ptr broken_;  ///< what was thrown beside comment_while_waiting()
    KeyPlace key_place_ = KeyPlace::authorization;
    bool recorded_ = false;  ///< ends as a record, a metric and a log line
};

}  // namespace route::net
