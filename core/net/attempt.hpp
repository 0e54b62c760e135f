#pragma once

#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/failover/commit_policy.hpp"
#include "core/failover/failover_policy.hpp"
#include "core/failover/timeouts.hpp"
#include "core/http/shown_reply.hpp"
#include "core/http/upstream_head.hpp"
#include "core/net/http/client.hpp"
#include "core/net/http/http_client.hpp"
#include "core/net/reply_recorder.hpp"
#include "core/openai/changed_body.hpp"
#include "core/openai/request_facts.hpp"

namespace route::net {

/// What the client of a request was told before a reply was committed.
struct EarlyHead
{
    bool sent = false;  ///< 200, and that a stream comes: nothing else counts from then on
    int committed = 0;  ///< attempts whose reply is to be committed: nothing is sent before it any more
};

/// What an attempt sends, the same for every upstream; everything outlives the attempt.
struct OutgoingRequest
{
    UpstreamRequest head;
    std::string_view body;
    const RequestFacts& facts;
    bool head_only = false;                    ///< HEAD: no reply has a body
    Commit commit = Commit::content;           ///< when a stream is committed
    std::string_view session = {};             ///< "": it is of none
    EarlyHead* early = nullptr;                ///< of a client that gets comments while it waits
    std::span<const Secret> client_keys = {};  ///< an upstream may quote them: erased from what is told of it
    std::string path_model = {};               ///< model_of_path()
    const Upstream* maker = nullptr;  ///< made what it names, so that no other knows it; null: unknown
};

/// The limits of one attempt in absolute time.
struct AttemptLimits
{
    AttemptTimeouts timeouts;
    TimePoint total = TimePoint::max();  ///< `failover.total`, until commit
};

/// One try of one upstream: owns its connection, its head and its bytes, and dies whole. Two of one request
/// may exist at once.
class Attempt
{
  public:
    /// Everything outlives it. What of the reply is for the record is left in `capture`.
    Attempt(EventLoop& loop, const RoutingTable& table, const Upstream& upstream,
            const OutgoingRequest& request, AttemptLimits limits, Requester& requester, ReplyCapture& capture,
            int number);
    ~Attempt();
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;

    /// The race of the upstream's reply against time and against the requester's going. Nothing: the reply
    /// may be committed (SPEC 5, point 5), its body is pending() and read(). Else why it failed.
    awaitable<std::optional<AttemptFailure>> run();

    const Upstream& upstream() const { return upstream_; }
    /// As the client asked it.
    const UpstreamRequest& request() const { return request_.head; }
    const ReplyParser& reply() const { return http_.reply(); }
    ReplyRecorder& recorder() { return recorder_; }

    /// Body bytes received before commit and not yet taken; valid until drop_pending().
    std::string_view pending() const { return held_; }
    void drop_pending();

    /// The whole reply has been read.
    bool complete() const { return http_.complete(); }
    /// A failed reply was read as far as it says something and may be relayed: one with such a status, a
    /// blank answer, an error in place of one.
    bool kept_whole() const { return kept_whole_; }
    /// How such a reply may be shown to the client; nothing when nobody can tell what it says.
    std::optional<ShownReply> shown() const;

    /// The next bytes of the body: payload(). `wait`: await readable() and call again.
    HttpClient::Step read();
    std::string_view payload() const { return fresh_; }
    auto readable() { return http_.readable(); }
    Connection& connection() { return http_.connection(); }
    /// After a read() that failed.
    const AttemptFailure& read_failure() const { return http_.failure(); }
    /// A failure that its caller found out about, now.
    AttemptFailure failed(Cause cause, error_code error = {}) const { return http_.failed(cause, error); }

    /// The error that a stream held which was committed all the same.
    std::optional<AttemptFailure> error_inside() const;
    /// What the upstream says, as it may be told: short, without keys. `cut`: it may be the beginning only.
    std::string quoted(std::string_view words, bool cut = false) const;
    /// The failure that is an error in which it says that.
    AttemptFailure failed_as_it_says(std::string_view words) const;

    /// What the reply says its upstream made is known to all loops from now on: before the bytes are sent
    /// that say so. `whole`: there are no more.
    void remember_made(bool whole);

    /// Lets the recorder start over with the reply.
    void begin_record();
    /// Lets the recorder read pending(). Others of the loop have a turn meanwhile if it is encoded and long.
    awaitable<void> record_held();

    /// After complete(): gives the connection back for reuse if it can be.
    void release()
    {
        http_.release();
        place_.leave();
    }

    /// It has failed: its connection is not kept open for it.
    void give_up()
    {
        http_.abandon();
        place_.leave();
    }
    /// Of its stream the content has begun.
    bool brought_content() const { return recorder_.progress().stream.answered(); }
    /// When that was, of one that is held until it is whole.
    std::optional<TimePoint> content_at() const { return content_at_; }

    /// Time spent waiting for the upstream.
    Clock::duration waited() const { return waited_ + http_.waited(); }
    TimePoint started() const { return started_; }
    /// Of the tries of its request, from 1.
    int number() const { return number_; }
    const ReplyCapture& capture() const { return recorder_.capture(); }
    /// The reply has been sent: what is for the record goes there.
    void give_capture(ReplyCapture& record) { recorder_.give_capture(record); }
    std::optional<TimePoint> first_byte() const { return http_.first_byte(); }

  private:
    using Step = HttpClient::Step;

    /// What time has ended.
    enum class Late
    {
        limit,    ///< the wait for what has not come
        decided,  ///< holding the reply back: `commit_after` or `first_content` has decided on it
    };

    // The alternatives of the race, beside the requester's going.
    awaitable<std::optional<AttemptFailure>> committable_reply();
    awaitable<Late> out_of_time();
    std::optional<Late> look();
    std::optional<AttemptFailure> judge(Late late);

    bool send();
    const std::string* renamed_model() const;
    awaitable<void> read_failed_body();
    AttemptFailure status_failure();
    awaitable<std::optional<AttemptFailure>> hold();

    using Decision = CommitDecision::Kind;
    Decision begin_reply();
    Decision decide();
    void warn_of_early_commit() const;
    bool decided_by_time();
    AttemptFailure content_failure();
    void keep_failed_reply();

    void limit_to(Seconds wait);
    void look_at_limits();
    void stash();
    void keep_fresh();
    SecretEraser client_secrets() const;
    std::string error_body_words() const;

    EventLoop& loop_;
    const RoutingTable& table_;
    const Upstream& upstream_;
    const OutgoingRequest& request_;
    const AttemptLimits limits_;
    Requester& requester_;

    HttpClient http_;
    ReplyRecorder recorder_;
    CommitPressure pressure_;
    CommitDecision decision_;  ///< on the reply, as far as it has come
    Timer timer_;
    TimePoint limit_ = TimePoint::max();             ///< of what it waits for now
    TimePoint commit_at_ = TimePoint::max();         ///< `commit_after`
    TimePoint first_content_at_ = TimePoint::max();  ///< `first_content`
    TimePoint armed_for_ = TimePoint::min();         ///< what the timer waits for
    std::optional<AttemptFailure> failure_;          ///< of the first alternative
    std::exception_ptr broken_;

    ChangedBody body_;        ///< as this upstream gets it, where it is not the client's
    std::string held_;        ///< of the body, before commit
    std::string_view fresh_;  ///< of the body, in the loop's scratch
    std::optional<TimePoint> content_at_;
    InFlight::Place place_;  ///< until it has failed, or its reply has ended
    std::size_t accounted_ = 0;
    bool reads_failed_body_ = false;
    bool kept_whole_ = false;
    bool decided_to_commit_ = false;
    std::size_t remembered_ = 0;  ///< of the ids of what was made

    TimePoint started_;
    int number_;
    Clock::duration waited_{};
};

}  // namespace route::net
