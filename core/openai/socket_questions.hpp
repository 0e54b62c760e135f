#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/openai/asked_messages.hpp"
#include "core/openai/socket_event.hpp"
#include "core/openai/sse_parser.hpp"

namespace route {

/// What the client of one WebSocket asks, and of which model: reads its messages.
class SocketQuestions
{
  public:
    /// `query_model`: of the query of the handshake, or "". `most`: bytes of a question that are kept.
    SocketQuestions(std::string query_model, std::size_t most);

    /// A message of the client, or a part of one. Whether it is whole now and asks for a response.
    bool add(const SseEvent& message);

    /// Of the message that asked: valid until add().
    const SocketEventFacts& facts() const { return reader_.facts(); }

    /// What the client has said since the last call.
    AskedMessages::Taken take();

    /// That of the session: as the client has set it, else as the query, else as the server says.
    std::string_view session_model() const;
    void note_session_model_of_server(std::string model) { server_model_ = std::move(model); }

    /// No fewer bytes than are kept.
    std::size_t held() const;

  private:
    void begin(const SseEvent& message);

    std::size_t most_;
    std::string query_model_;
    std::string client_model_;
    std::string server_model_;
    AskedMessages asked_;
    SocketEventReader reader_;
    bool kept_ = false;          ///< the message that comes
    std::size_t collected_ = 0;  ///< bytes of the messages in `asked_`, of those of sound, too
    std::size_t coming_ = 0;     ///< of the one that comes
};

}  // namespace route
