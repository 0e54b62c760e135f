#pragma once

#include <memory>
#include <string>

#include "core/net/http/reply_writer.hpp"
#include "core/net/http/request.hpp"
#include "core/openai/request_facts.hpp"
#include "core/record_sink.hpp"

namespace route::net {

/// The record of one request: begun with its head, closed with its end, handed to the sink once. One thread:
/// the loop's.
class RequestRecord
{
  public:
    /// Both outlive it.
    RequestRecord(EventLoop& loop, RoutingTablePtr table);

    /// To be filled in, until hand_over().
    Record& record() { return *record_; }
    const Record& record() const { return *record_; }

    /// What is known with the head, or without one with the connection.
    void begin(Client& client, const Request& request);
    bool begun() const { return !record_->request_id.empty(); }

    /// What the body says. Keys are erased from the model: it becomes a metric's label, and part of what the
    /// client is told, before the writer sees it.
    void note_facts(const RequestFacts& facts, const Request& request);

    /// Time spent waiting for others.
    void add_wait(Clock::duration waited) { waited_ += waited; }

    /// Waits for room for it, 5 s at most and while `client` is not stopped; then it will be counted as lost.
    awaitable<void> wait_for_room(const Client& client);
    /// Whether it is to be waited for: there is none, and it was not waited for in vain.
    bool needs_room() const { return !no_room_ && !loop_.services.sink.has_room(); }

    /// The times, and `body` as far as it is recorded.
    void close(const Request& request, const ReplyWriter& writer, std::string body);

    /// Exactly one record, one metric and one log line, whatever happened.
    void hand_over();
    /// The same, and waits until it is stored.
    awaitable<void> hand_over_and_wait();

    /// A further record of the same client and upstream, begun at `began`: of one response over the WebSocket
    /// that the request has become.
    std::unique_ptr<QueuedRecord> further(TimePoint began);
    /// Its model, of at most `max_model_name` bytes, keys erased.
    static void note_model(Record& further, std::string model);
    /// Hands over a further one.
    void hand_over(std::unique_ptr<QueuedRecord> further);

  private:
    std::shared_ptr<const SecretEraser> secrets_by_now();

    EventLoop& loop_;
    const RoutingTablePtr table_;
    std::unique_ptr<QueuedRecord> queued_;  ///< gone once it is handed over
    Record* record_;
    bool no_room_ = false;
    RoutingTablePtr later_table_;                        ///< whose secrets are among the later ones
    std::shared_ptr<const SecretEraser> later_secrets_;  ///< of a request that outlives its table
    Clock::duration waited_{};
};

}  // namespace route::net
