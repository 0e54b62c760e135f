#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "core/http/websocket_messages.hpp"
#include "core/net/attempt.hpp"
#include "core/net/request_record.hpp"
#include "core/net/tunnel.hpp"
#include "core/openai/socket_responses.hpp"

namespace route::net {

/// Reads along what passes a WebSocket, and hands over a record for each response that is given over it.
class WebSocketRecorder final : public TunnelReader
{
  public:
    /// Null where the messages have no known form. All outlive it.
    static std::unique_ptr<WebSocketRecorder> make(EventLoop& loop, const Settings& settings,
                                                   const Client& client, RequestRecord& handshake,
                                                   const Attempt& attempt);

    bool read_client(std::string_view bytes) noexcept override;
    bool read_upstream(std::string_view bytes) noexcept override;
    bool needs_room() const noexcept override { return responses_ && handshake_.needs_room(); }
    awaitable<void> wait_for_room() override { return handshake_.wait_for_room(client_); }

    /// The WebSocket has ended so, as the record of its handshake says: responses that have not are broken
    /// off. `failure`: of the upstream, if it was one.
    void finish(const TunnelEnd& end, const std::optional<AttemptFailure>& failure) noexcept;

  private:
    WebSocketRecorder(EventLoop& loop, const Settings& settings, const Client& client,
                      RequestRecord& handshake, const Attempt& attempt, SocketApi api,
                      const WebSocketExtensions& extensions);

    /// How what is still open has ended.
    struct Ending
    {
        RequestOutcome outcome = RequestOutcome::truncated;
        AttemptOutcome attempt = AttemptOutcome::cut;
        std::string error;
    };

    template <class Read>
    void guard(Read&& read) noexcept;
    bool read_messages(WebSocketMessages& from, std::string_view bytes);
    void look_at_limits(const WebSocketMessages& from);
    void give_up(std::string_view why);
    Ending ending_of(const TunnelEnd& end, const std::optional<AttemptFailure>& failure) const;
    Ending closed_ending(const TunnelEnd& end) const;
    void end_open(Ending ending);
    void record(SocketResponse response);
    void note_end(Record& record, AttemptRecord& attempt, const SocketResponse& response) const;

    /// Which side sent the first close frame.
    enum class ClosedBy
    {
        neither,
        client,
        upstream,
    };

    const Client& client_;
    RequestRecord& handshake_;
    const Attempt& attempt_;
    BufferAccount account_;  ///< what it holds of unfinished messages and responses
    WebSocketMessages from_client_;
    WebSocketMessages from_upstream_;
    std::optional<SocketResponses> responses_;  ///< none when nothing is read any more
    ClosedBy closed_by_ = ClosedBy::neither;
    Ending ending_;
};

}  // namespace route::net
