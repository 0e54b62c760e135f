#pragma once

#include <boost/container/small_vector.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/failover/failover_policy.hpp"
#include "core/net/http/message_parser.hpp"
#include "core/net/loop/event_loop.hpp"
#include "core/net/transport/destination.hpp"

namespace route::net {

/// What the parsing of a reply depends on of its request.
struct ExpectedReply
{
    bool head_only = false;  ///< to HEAD: no reply has a body
    bool upgrade = false;    ///< to a request for WebSocket: 101 is a reply
};

/// One HTTP/1.1 request to one server and its reply, over a pooled connection or a new one. Knows no records,
/// no routing table and no deadlines: its caller races it, and destroys it to give it up. Functions that wait
/// are coroutines and end at once when they are cancelled; the others never wait. One thread: the loop's.
class HttpClient
{
  public:
    HttpClient(EventLoop& loop, const Destination& destination, ExpectedReply expected);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    /// Takes a connection out of the pool; false when there is none.
    bool take_pooled();
    bool reused() const { return reused_; }

    /// Name, TCP, proxy and TLS, within `limit`, of which each address gets a share. False: failure().
    awaitable<bool> connect(TimePoint limit);

    /// Gives up the connection, so that the request can be sent again over another one.
    void reset();

    /// The parts of a request in one write: a whole head, which need not outlast the next suspension, then
    /// the body, which outlives the request. False when not all of it was taken: then send_rest() is awaited.
    bool send(std::span<const std::string_view> parts);

    /// Sends what is left, or as much of it as the server wants to hear: its answer may come before. The
    /// head is kept aside: others may build theirs in its place meanwhile.
    awaitable<void> send_rest();

    /// The request has been handed over; its reply is to be read. `body_bytes`: of the request.
    void end_sending(std::size_t body_bytes);

    /// What came of a step that does not wait.
    enum class Step
    {
        done,    ///< a head or a piece of a body is there, or the end
        wait,    ///< await readable(), then take the step again
        failed,  ///< failure() says why
    };

    /// The head of the final reply, interim ones passed over. With it the first bytes of its body may have
    /// come: payload(); of a 101 those are of the protocol that was switched to.
    Step read_head();

    /// The next bytes of the body, framing removed: payload(), at most `limit` of them; with the last ones,
    /// or without any, complete().
    Step read_body(std::size_t limit = Scratch::size);

    auto readable() { return connection_->readable(); }

    const ReplyParser& reply() const { return *parser_; }
    bool has_head() const { return parser_ && parser_->status() != 0; }
    /// Body bytes just read; in the loop's scratch, valid until the next suspension or step.
    std::string_view payload() const { return payload_; }
    bool complete() const { return complete_; }

    /// After complete(): gives the connection back to the pool if it can be used again.
    void release();

    Connection& connection() { return *connection_; }
    /// Closes the connection, if there is one.
    void abandon()
    {
        if (connection_)
            connection_->close();
    }

    Phase phase() const { return phase_; }
    void enter(Phase phase) { phase_ = phase; }
    const AttemptFailure& failure() const { return *failure_; }  ///< after a step that failed
    AttemptFailure failed(Cause cause, error_code error = {}, std::string detail = {}) const;

    /// When the server last took bytes of the request, as far as that is known.
    TimePoint last_taken() const { return last_taken_; }
    /// The kernel takes a large request at once; the server may take longer. Whether bytes are on their way
    /// that it has not acknowledged; notes when they became less.
    bool still_taking();

    Clock::duration waited() const { return waited_; }  ///< for the server
    std::optional<TimePoint> first_byte() const { return first_byte_; }

  private:
    // http_client_connect.cpp
    awaitable<bool> connect_to_first(const NameDirectory::Answer& answer, TimePoint limit);
    awaitable<bool> connect_to(tcp::endpoint endpoint);
    awaitable<bool> connect_within(tcp::endpoint endpoint, TimePoint limit);
    awaitable<bool> tunnel_through_proxy();
    Step read_proxy_answer();
    awaitable<bool> handshake();
    /// A plain request to the proxy itself (RFC 9112 3.2.2), no tunnel through it.
    bool by_forwarding() const
    {
        return destination_.proxy && !destination_.endpoint.tls && !expected_.upgrade;
    }
    /// A tunnel to a plain server is for WebSocket only (RFC 6455 4.1): pooled ones lead to the proxy.
    bool may_be_pooled() const { return !destination_.proxy || destination_.endpoint.tls || by_forwarding(); }

    // http_client.cpp
    bool answered_while_sending();
    Step take_head(std::size_t length, char* rest, std::size_t rest_size, bool& interim);
    Step decode(char* data, std::size_t size);
    bool is_upgrade() const;
    bool fail(Cause cause, error_code error = {}, std::string detail = {});
    bool fail_transport(error_code error);
    Step refuse(std::string_view why, error_code error = {});
    void note_first_byte();

    EventLoop& loop_;
    Destination destination_;
    ExpectedReply expected_;

    std::unique_ptr<Connection> connection_;
    bool reused_ = false;
    bool extra_bytes_ = false;  ///< after the reply: the connection cannot be used again
    bool sent_whole_ = false;
    bool complete_ = false;
    int interim_replies_ = 0;
    Phase phase_ = Phase::connect;
    Resolver::Question question_;
    Wakeup resolved_;

    boost::container::small_vector<iovec, 4> parts_;  ///< of the request, what is not sent yet
    std::span<iovec> unsent_;
    std::string head_;          ///< of the reply, as far as it has come
    std::size_t searched_ = 0;  ///< bytes of head_ without its end
    std::optional<ReplyParser> parser_;
    std::string carry_;               ///< an incomplete chunk line
    std::string_view payload_;        ///< in the loop's scratch
    std::size_t unacknowledged_ = 0;  ///< of the request, when last looked at
    TimePoint last_taken_;
    std::optional<TimePoint> first_byte_;
    Clock::duration waited_{};
    std::optional<AttemptFailure> failure_;
};

}  // namespace route::net
