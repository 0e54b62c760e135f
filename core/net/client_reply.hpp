#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/net/http/reply_writer.hpp"
#include "core/net/http/request.hpp"
#include "core/net/router.hpp"
#include "core/openai/error_body.hpp"
#include "core/record.hpp"

namespace route::net {

/// A reply of the router's own. The views are valid until it has been sent.
struct OwnReply
{
    unsigned status = 200;
    std::string_view content_type;
    std::string_view extra_fields;  ///< whole lines
    std::string body;
    bool cors = true;
};

/// What one client gets in answer to its request: the reply of an upstream, or one of the router's own. Notes
/// in the record what was sent and how that ended.
class ClientReply
{
  public:
    /// All outlive it.
    ClientReply(EventLoop& loop, const RoutingTable& table, Client& client, const Request& request,
                Record& record);

    /// A reply that was complete when it could be committed: head and body in one write.
    awaitable<std::optional<AttemptFailure>> send_whole(Attempt& attempt);
    /// One whose body still comes. How it failed to be whole, if that was the upstream's doing.
    awaitable<std::optional<AttemptFailure>> relay(Attempt& attempt);
    /// The reply of a failed attempt that is the last word of all.
    /// `untried`: there are upstreams that were not asked.
    awaitable<void> send_kept(KeptReply& kept, bool untried);
    /// The 101 that was asked for; false when the client has left.
    awaitable<bool> switch_protocols(Attempt& attempt);
    awaitable<void> send_error(RouterError error, std::string_view extra_fields = {});
    /// An answer that the router has put together.
    awaitable<void> send_json(std::string json);
    /// Leaves the record alone; false when the client has left.
    awaitable<bool> send_own(OwnReply reply);

    /// Before a reply is committed: the head of an event stream of the router's own, if it was not sent, and
    /// a comment. While the client takes nothing, nothing.
    void comment();
    /// Whether that was done: from then on it gets events.
    bool stream_begun() const { return stream_begun_; }

    /// Sends the byte that was held until the record is stored.
    awaitable<void> release();

    /// The client has left, or the router was stopped. `when`: "in the middle of the reply".
    void note_client_closed(std::string_view when);

    /// An error in the midst of a reply that was sent.
    std::optional<AttemptFailure> note_error_inside(const Attempt& attempt);

    const ReplyWriter& writer() const { return writer_; }

    /// Time spent waiting for an upstream while its reply was relayed.
    Clock::duration waited() const { return waited_; }

    /// Whether the connection serves another request afterwards.
    bool keep_alive() const { return keep_alive_; }
    void keep_alive(bool keep) { keep_alive_ = keep; }

  private:
    void start(Attempt& attempt, std::size_t attempts, const ShownReply* shown = nullptr,
               bool untried = false);
    void choose_framing(ReplyFacts& facts, Attempt& attempt, const ShownReply* shown) const;
    std::size_t bytes_sent(const OwnReply& reply) const;
    void note_upstream(const Attempt& attempt);
    void begin_stream();
    awaitable<void> end_stream_with(RouterError error);
    void break_connection();
    Clock::duration keep_alive_after(const Attempt& attempt) const;
    void take_reply(Attempt& attempt);
    awaitable<void> break_off(Attempt& attempt, const AttemptFailure& failure);

    EventLoop& loop_;
    const RoutingTable& table_;
    Client& client_;
    const Request& request_;
    Record& record_;
    ReplyWriter writer_;
    bool keep_alive_ = true;
    bool stream_begun_ = false;
    Clock::duration waited_{};
};

}  // namespace route::net
