#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/http/request_body.hpp"
#include "core/net/http/reply_writer.hpp"
#include "core/net/http/request.hpp"
#include "core/net/router.hpp"
#include "core/openai/error_body.hpp"
#include "core/record.hpp"

namespace route::net {

class Tunnel;

/// The last credential of this connection and what it was worth, so that a hash is computed once and not for
/// every request.
struct KnownCredential
{
    RoutingTablePtr table;
    Secret credential;
    std::string key_name;
    bool valid = false;
};

/// One request from its head to its record: authenticate, read the body, choose candidates, try them, relay,
/// finish. Exactly one record for every authenticated request, whatever happens.
class Exchange
{
  public:
    Exchange(EventLoop& loop, Client& client, Request& request, KnownCredential& known);
    ~Exchange();

    /// Answers. Afterwards keep_alive() says whether the connection serves another request.
    awaitable<void> run();

    /// Answers a request that could not even be read.
    awaitable<void> refuse(RouterError error);

    bool keep_alive() const { return keep_alive_; }

  private:
    // exchange.cpp: the straight line
    awaitable<void> answer_request();
    awaitable<void> serve();
    std::optional<RouterError> refuse_head();
    bool reads_on_loop() const;
    RequestBody facts_of_body() const;
    RequestBody facts_of_query() const;
    std::optional<RouterError> read_facts();
    awaitable<std::optional<RouterError>> read_facts_off_loop();
    std::optional<RouterError> take_facts(RequestBody read);
    bool changes_body() const;
    std::optional<ReadOutcome> begin_body();
    awaitable<ReadOutcome> read_body();
    BodyReader body_reader();
    awaitable<void> answer_unread_body(ReadOutcome outcome);
    void close_record();
    void finish();
    awaitable<void> finish_durably();
    awaitable<void> fail_unexpectedly(std::string what);
    bool leaves_unread_body() const;
    void begin_record();
    void fill_request_record();

    // authentication.cpp
    std::optional<RouterError> authenticate();
    void authenticate_for_record();
    bool authenticate_credential(std::string_view credential);

    awaitable<void> admit();
    OutgoingRequest outgoing() const;
    awaitable<void> route();
    awaitable<void> reply(Router& router, Attempt& attempt);
    void note_attempt(Router& router, Attempt& attempt, const std::optional<AttemptFailure>& failure);

    // websocket.cpp
    bool wants_websocket() const;
    std::string_view key_among_protocols() const;
    awaitable<std::optional<AttemptFailure>> tunnel(Attempt& attempt);
    std::optional<AttemptFailure> end_tunnel(Attempt& attempt, const Tunnel& tunnel);

    // answer.cpp: towards the client
    awaitable<void> reply_whole(Attempt& attempt);
    awaitable<std::optional<AttemptFailure>> relay(Attempt& attempt);
    awaitable<void> relay_kept(Routed& routed);
    awaitable<void> break_off(Attempt& attempt, const AttemptFailure& failure);
    /// `extra_fields`: whole lines, valid until it is done.
    awaitable<void> answer(RouterError error, std::string_view extra_fields = {});
    awaitable<void> answer_own(unsigned status, std::string_view content_type, std::string_view extra_fields,
                               std::string body, bool cors = true);
    void start_reply(Attempt& attempt, std::size_t attempts, const ShownReply* shown = nullptr);
    void erase_secrets_from_model();
    void client_closed(std::string_view when);
    std::optional<AttemptFailure> error_inside(const Attempt& attempt);
    void take_reply(Attempt& attempt);

    // pages.cpp: what the router answers itself
    bool is_page() const;
    awaitable<void> answer_page();
    awaitable<void> answer_preflight();
    awaitable<void> answer_metrics();
    awaitable<void> answer_readiness();

    EventLoop& loop_;
    Client& client_;
    Request& request_;
    KnownCredential& known_;
    RoutingTablePtr table_;
    ReplyWriter writer_;
    std::unique_ptr<QueuedRecord> queued_;  ///< gone once the request is finished
    Record& record_;
    RequestFacts facts_;
    std::optional<std::string> decoded_;  ///< for the record, of a body that goes on as it came
    bool keep_alive_ = true;
    bool websocket_ = false;
    KeyPlace key_place_ = KeyPlace::authorization;
    bool recorded_ = false;      ///< ends as a record, a metric and a log line
    bool unrecordable_ = false;  ///< there was no room for its record
    BufferAccount account_;
    Clock::duration waited_{};
};

}  // namespace route::net
