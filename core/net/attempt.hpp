#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/failover_policy.hpp"
#include "core/net/event_loop.hpp"
#include "core/net/message_parser.hpp"
#include "core/net/reply_recorder.hpp"
#include "core/request_facts.hpp"
#include "core/shown_reply.hpp"
#include "core/timeouts.hpp"

namespace route::net {

/// What an attempt sends, the same for every upstream; everything outlives the attempt.
struct OutgoingRequest
{
    UpstreamRequest head;
    std::string_view body;
    const RequestFacts& facts;
    bool head_only = false;                    ///< HEAD: no reply has a body
    std::span<const Secret> client_keys = {};  ///< an upstream may quote them: erased from what is told of it
};

/// The limits of one attempt in absolute time.
struct AttemptLimits
{
    AttemptTimeouts timeouts;
    TimePoint total = TimePoint::max();  ///< `failover.total`, until commit
};

/// One try of one upstream: owns its connection and dies whole. run() goes until the reply may be committed
/// (SPEC 5, point 5) or has failed; then pending() and read() give the reply's body. abort() may be called
/// meanwhile by another handler of the loop.
class Attempt
{
  public:
    /// `deadline` and `commit_deadline` are lent: standing by for every request, they cost less than new
    /// ones. What of the reply is for the record is left in `capture`.
    Attempt(EventLoop& loop, const RoutingTable& table, const Upstream& upstream,
            const OutgoingRequest& request, AttemptLimits limits, Deadline& deadline,
            Deadline& commit_deadline, ReplyCapture& capture);
    ~Attempt();
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;

    /// True when the reply may be committed; else failure() says why not.
    awaitable<bool> run();

    bool failed() const { return failure_.has_value(); }
    const AttemptFailure& failure() const { return *failure_; }  ///< if it has failed

    /// Ends it: closes the connection, whoever waits is resumed and finds the cause.
    void abort(Cause cause);

    const Upstream& upstream() const { return upstream_; }
    const ReplyParser& reply() const { return *parser_; }
    ReplyRecorder& recorder() { return recorder_; }

    /// Body bytes received and not yet taken; valid until the next suspension or read().
    std::string_view pending() const { return held_.empty() ? fresh_ : std::string_view{held_}; }
    void drop_pending();

    /// The whole reply has been read.
    bool complete() const { return complete_; }
    /// A failed reply (by its status) was read to its end and may be relayed.
    bool kept_whole() const { return kept_whole_; }
    /// How such a reply may be shown to the client; nothing when nobody can tell what it says.
    std::optional<ShownReply> shown() const;

    /// Body bytes after commit. `would_block`: await readable() and call again; failed: failure() says why.
    enum class Read
    {
        payload,
        would_block,
        complete,
        failed
    };
    Read read();
    std::string_view payload() const { return fresh_; }
    auto readable() { return connection_->readable(); }
    bool must_wait() const { return !connection_->is_readable(); }
    /// Lets the recorder read pending(). Others of the loop have a turn meanwhile if it is encoded and long.
    awaitable<void> record_held();
    /// From now on `idle` seconds of silence end the reply; to be called whenever a wait for the upstream
    /// begins.
    void expect_more();
    /// While the client is slow, the upstream's silence is not its own.
    void expect_nothing() { deadline_.cancel(); }

    /// After a 101: the connection that is a tunnel's now, and how that ended, if not well.
    Connection& connection() { return *connection_; }
    void fail_tunnel(Cause cause, error_code error) { fail(Phase::relay_body, cause, error); }

    /// After complete(): gives the connection back for reuse if it can be.
    void release();

    /// Time spent waiting for the upstream.
    Clock::duration waited() const { return waited_; }
    TimePoint started() const { return started_; }
    std::optional<TimePoint> first_byte() const { return first_byte_; }
    std::string_view retry_after() const;

  private:
    awaitable<bool> connect();
    awaitable<bool> connect_to(tcp::endpoint endpoint, TimePoint limit);
    /// A plain request to the proxy itself (RFC 9112 3.2.2), no tunnel through it.
    bool by_forwarding() const
    {
        return upstream_.via && !upstream_.endpoint.tls && !request_.head.upgrade_websocket;
    }
    /// A tunnel to a plain upstream is for WebSocket only (RFC 6455 4.1): pooled ones lead to the proxy.
    bool may_be_pooled() const { return !upstream_.via || upstream_.endpoint.tls || by_forwarding(); }
    awaitable<bool> tunnel_through_proxy();
    bool read_proxy_answer();
    awaitable<bool> handshake();
    bool send();
    awaitable<void> send_rest(std::string rest_of_head);
    void after_send();
    awaitable<bool> hold();
    awaitable<bool> fail_by_status();
    awaitable<void> read_failed_body();

    bool fail(Phase phase, Cause cause, error_code error = {}, std::string detail = {});
    bool fail_transport(Phase phase, error_code error);
    bool committable();
    bool decode(char* data, std::size_t size);
    void stash();
    void arm(Seconds wait);
    void note_first_byte();
    void watch_acknowledgements();
    bool still_taking_request();
    bool answered_while_sending();
    std::string own_words(std::string text, bool cut) const;
    std::string error_body_words() const;

    enum class Head
    {
        awaited,  ///< not here yet
        final,
        interim,  ///< 1xx
        refused,
    };
    Head read_head();
    Head take_head(std::size_t length, char* rest, std::size_t rest_size);
    Head refuse_head(std::string_view why, error_code error = {});
    Head refuse_by_proxy();
    bool is_upgrade() const;
    bool begin_reply();
    std::optional<std::string> renamed_model() const;
    static void on_readable_while_sending(void* target);
    static void on_deadline(void* target);
    static void on_commit_deadline(void* target);

    EventLoop& loop_;
    const RoutingTable& table_;
    const Upstream& upstream_;
    const OutgoingRequest& request_;
    AttemptLimits limits_;
    Deadline& deadline_;
    Deadline& commit_deadline_;

    std::unique_ptr<Connection> connection_;
    bool reused_ = false;
    bool extra_bytes_ = false;  ///< after the reply: the connection cannot be used again
    bool kept_body_ = false;    ///< the body is that of a failed reply
    bool sent_whole_ = false;
    std::size_t unacknowledged_ = 0;  ///< of the request, when last looked at
    TimePoint last_taken_;            ///< when that was seen to become less
    Resolver::Question question_;
    Signal resolved_;
    std::optional<Cause> aborted_;
    std::optional<AttemptFailure> failure_;

    std::string head_;
    std::size_t searched_ = 0;      ///< bytes of head_ without its end
    std::array<iovec, 4> parts_{};  ///< of the request, what is not sent yet
    std::span<iovec> unsent_;
    std::optional<std::string> model_;  ///< as this upstream calls it
    std::optional<ReplyParser> parser_;
    ReplyRecorder recorder_;
    std::string carry_;  ///< an incomplete chunk line
    std::string held_;
    std::string_view fresh_;  ///< in the loop's scratch
    std::size_t accounted_ = 0;
    bool complete_ = false;
    bool kept_whole_ = false;
    bool commit_now_ = false;
    Phase phase_ = Phase::connect;
    int informational_ = 0;

    TimePoint started_;
    std::optional<TimePoint> first_byte_;
    Clock::duration waited_{};
};

}  // namespace route::net
