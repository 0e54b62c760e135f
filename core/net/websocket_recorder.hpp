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
    /// Null when nobody knows what the messages would mean. All outlive it.
    static std::unique_ptr<WebSocketRecorder> make(const RecordSettings& limits, RequestRecord& handshake,
                                                   const Attempt& attempt);

    void read_client(std::string_view bytes) override;
    void read_upstream(std::string_view bytes) override;

    /// The WebSocket has ended as the record of its handshake says: responses that have not are broken off.
    void finish();

  private:
    WebSocketRecorder(SocketApi api, const WebSocketExtensions& extensions, const RecordSettings& limits,
                      RequestRecord& handshake, const Attempt& attempt);

    void record(SocketResponse response);
    void note_end(Record& record, AttemptRecord& attempt, const SocketResponse& response) const;
    void note_broken_off(Record& record, AttemptRecord& attempt) const;
    void note_who_closes();

    /// Who sent the first close frame.
    enum class ClosedBy
    {
        nobody,
        client,
        upstream,
    };

    RequestRecord& handshake_;
    const Attempt& attempt_;
    WebSocketMessages from_client_;
    WebSocketMessages from_upstream_;
    std::optional<SocketResponses> responses_;  ///< none once memory ran out
    ClosedBy closed_by_ = ClosedBy::nobody;
};

}  // namespace route::net
