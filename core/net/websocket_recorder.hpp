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
    static std::unique_ptr<WebSocketRecorder> make(const RecordSettings& settings, RequestRecord& handshake,
                                                   const Attempt& attempt);

    void read_client(std::string_view bytes) noexcept override;
    void read_upstream(std::string_view bytes) noexcept override;

    /// The WebSocket has ended so, as the record of its handshake says: responses that have not are broken
    /// off. `failure`: of the upstream, if it was one.
    void finish(const TunnelEnd& end, const std::optional<AttemptFailure>& failure) noexcept;

  private:
    WebSocketRecorder(SocketApi api, const WebSocketExtensions& extensions, const RecordSettings& settings,
                      RequestRecord& handshake, const Attempt& attempt);

    /// How what is still open has ended.
    struct Ending
    {
        RequestOutcome outcome = RequestOutcome::truncated;
        AttemptOutcome attempt = AttemptOutcome::cut;
        std::string error;
    };

    template <class Read>
    void guard(Read&& read) noexcept;
    void read_messages(WebSocketMessages& from, std::string_view bytes);
    void give_up();
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

    RequestRecord& handshake_;
    const Attempt& attempt_;
    WebSocketMessages from_client_;
    WebSocketMessages from_upstream_;
    std::optional<SocketResponses> responses_;  ///< none when nothing is read any more
    ClosedBy closed_by_ = ClosedBy::neither;
    Ending ending_;
};

}  // namespace route::net
