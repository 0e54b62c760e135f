#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/error_body.hpp"
#include "core/net/attempt.hpp"
#include "core/net/reply_writer.hpp"
#include "core/net/request.hpp"
#include "core/record.hpp"

namespace route::net {

class Tunnel;

/// What one connection lends to its exchanges, one after the other.
struct ExchangeTimers
{
    explicit ExchangeTimers(Deadlines& deadlines)
        : attempt{deadlines, nullptr, nullptr}, commit{deadlines, nullptr, nullptr}
    {
    }
    Deadline attempt;
    Deadline commit;
};

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
    Exchange(EventLoop& loop, Client& client, Request& request, ExchangeTimers& timers,
             KnownCredential& known);
    ~Exchange();

    /// Answers. Afterwards keep_alive() says whether the connection serves another request.
    awaitable<void> run();

    /// Answers a request that could not even be read.
    awaitable<void> refuse(RouterError error);

    bool keep_alive() const { return keep_alive_; }

    /// The router stops now: what is under way ends.
    void stop();

  private:
    // exchange.cpp: the straight line
    awaitable<void> answer_request();
    awaitable<void> serve();
    std::optional<RouterError> refuse_head();
    Result<RequestFacts> facts_of_body() const;
    std::optional<RouterError> read_facts();
    awaitable<std::optional<RouterError>> read_facts_off_loop();
    std::optional<RouterError> take_facts(Result<RequestFacts> facts);
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

    // router.cpp: the failover loop
    awaitable<void> route();
    awaitable<void> admit();
    void note_attempt(const Attempt& attempt, int number, const AttemptFailure* failure);
    void judge_cooldown(const Attempt& attempt, const AttemptFailure& failure);
    void tell_cooldown(const Attempt& attempt, const AttemptFailure& failure, int failures, Seconds length);
    void note_success(const Upstream& upstream);
    RouterError all_failed() const;

    // websocket.cpp
    bool wants_websocket() const;
    std::string_view key_among_protocols() const;
    awaitable<void> tunnel(Attempt& attempt);
    void end_tunnel(Attempt& attempt, const Tunnel& tunnel);

    // relay.cpp: towards the client
    ReplyWriter::Written relay_whole(Attempt& attempt);
    void end_relay(Attempt& attempt, ReplyWriter::Written written);
    awaitable<void> relay(Attempt& attempt);
    awaitable<void> relay_kept(Attempt& attempt, const ShownReply& shown);
    awaitable<void> break_off(Attempt& attempt);
    /// `extra_fields`: whole lines, valid until it is done.
    awaitable<void> answer(RouterError error, std::string_view extra_fields = {});
    awaitable<void> answer_own(unsigned status, std::string_view content_type, std::string_view extra_fields,
                               std::string body, bool cors = true);
    void start_reply(Attempt& attempt, std::size_t attempts, const ShownReply* shown = nullptr);
    void erase_secrets_from_model();
    void client_closed(std::string_view when);
    void take_reply(Attempt& attempt);

    // pages.cpp: what the router answers itself
    bool is_page() const;
    awaitable<void> answer_page();
    awaitable<void> answer_preflight();
    awaitable<void> answer_metrics();
    awaitable<void> answer_readiness();

    static void on_client_gone(void* target);

    EventLoop& loop_;
    Client& client_;
    Request& request_;
    ExchangeTimers& timers_;
    KnownCredential& known_;
    RoutingTablePtr table_;
    ReplyWriter writer_;
    std::unique_ptr<QueuedRecord> queued_;  ///< gone once the request is finished
    Record& record_;
    RequestFacts facts_;
    std::unique_ptr<Attempt> attempt_;
    bool keep_alive_ = true;
    bool websocket_ = false;
    KeyPlace key_place_ = KeyPlace::authorization;
    bool recorded_ = false;      ///< ends as a record, a metric and a log line
    bool unrecordable_ = false;  ///< there was no room for its record
    bool stopped_ = false;
    BufferAccount account_;
    Clock::duration waited_{};
};

}  // namespace route::net
