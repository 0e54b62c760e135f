#pragma once

#include <optional>
#include <string>

#include "core/http/request_body.hpp"
#include "core/net/http/request.hpp"
#include "core/openai/error_body.hpp"
#include "core/record.hpp"

namespace route::net {

/// Takes in the body of one request, within what may be held, and reads from it which model is asked and how.
class RequestIntake
{
  public:
    /// All outlive it.
    RequestIntake(EventLoop& loop, const RoutingTable& table, Client& client, Request& request);

    /// Takes in what of the body came with its head; nothing while there is more to come: then await
    /// read_body(). The bytes are counted for the record's key or address, and its memory is used again.
    std::optional<ReadOutcome> begin_body(Record& record);
    awaitable<ReadOutcome> read_body();

    /// Why a body that was not read whole is refused; nothing where nobody is there to be told.
    std::optional<RouterError> refusal_of(ReadOutcome outcome) const;

    /// Whether read_facts() takes so little time that others of the loop need not go on meanwhile.
    bool reads_on_loop() const;
    /// Reads the facts, of the query for a WebSocket; why the request is refused because of them.
    std::optional<RouterError> read_facts();
    awaitable<std::optional<RouterError>> read_facts_off_loop();

    const RequestFacts& facts() const { return facts_; }
    /// What makes a session of it and others, "" for nothing.
    const std::string& session() const { return session_; }
    /// What it names of what upstreams made; none where there is one upstream.
    const IdHashes& named_ids() const { return named_ids_; }
    /// When a stream is to be committed: as the request says, else as the settings do.
    Commit commit() const { return commit_; }

    /// What the record is to hold of the body, which is gone then.
    std::string take_body();

    /// The bytes are no longer held.
    void release() { account_.release(); }

    /// Time spent waiting for the client, and for a thread to read the facts.
    Clock::duration waited() const { return waited_; }

  private:
    BodyReader body_reader();
    RequestBody facts_of_body() const;
    RequestBody facts_of_query() const;
    std::optional<RouterError> take_facts(RequestBody read);
    std::optional<RouterError> read_commit();
    bool changes_body() const;

    EventLoop& loop_;
    const RoutingTable& table_;
    Client& client_;
    Request& request_;
    RequestFacts facts_;
    std::string session_;
    IdHashes named_ids_;
    Commit commit_ = Commit::content;
    std::optional<std::string> decoded_;  ///< for the record, of a body that goes on as it came
    BufferAccount account_;
    Clock::duration waited_{};
};

}  // namespace route::net
