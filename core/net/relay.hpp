#pragma once

#include <optional>

#include "core/net/attempt.hpp"
#include "core/net/http/reply_writer.hpp"

namespace route::net {

/// How the relaying of a reply ended.
struct RelayEnd
{
    bool client_left = false;
    bool end_sent = false;                    ///< the end of the stream, as far as the stream says so itself
    std::optional<AttemptFailure> broke_off;  ///< by the upstream, or its silence
};

/// How long the upstream may be silent.
struct Silence
{
    Clock::duration longest;     ///< then the reply is broken off
    Clock::duration keep_alive;  ///< then the client gets a comment, between two events; 0: never
};

/// Passes the body of a committed reply on as it comes. One coarse deadline: the silence of the upstream,
/// which does not run while the client takes its time.
class Relay final : private Expiring
{
  public:
    /// The writer has begun the reply. All outlive it.
    Relay(EventLoop& loop, Client& client, ReplyWriter& writer, Attempt& attempt, Silence silence);

    ~Relay() { client_.forget_upstream(); }
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    /// Until the reply has been sent whole, or can not be.
    awaitable<RelayEnd> run();

    /// Time spent waiting for the upstream.
    Clock::duration waited() const { return waited_; }

  private:
    void on_expired() override;
    void limit_silence();
    awaitable<void> after_silence(RelayEnd& end);

    Client& client_;
    ReplyWriter& writer_;
    Attempt& attempt_;
    Silence silence_;
    Deadline deadline_;
    TimePoint silent_at_{};  ///< too long by then
    bool expired_ = false;
    Clock::duration waited_{};
};

}  // namespace route::net
