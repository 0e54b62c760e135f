#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "core/openai/socket_response.hpp"
#include "core/openai/sse_parser.hpp"

namespace route {

/// Tells the responses apart that are asked for and given over one WebSocket, from the text messages of both
/// sides in the order in which they passed, and calls back for each when it ends. Memory: for each open
/// response `max_asked` and about twice `max_text` bytes, and `max_asked` for what comes.
class SocketResponses
{
  public:
    using Time = SocketResponse::Time;

    struct Limits
    {
        std::size_t max_asked;  ///< bytes of `asked`
        std::size_t max_text;   ///< bytes of the response's text
    };

    /// `model`: of the query of the handshake, or "".
    SocketResponses(SocketApi api, std::string model, Limits limits);
    ~SocketResponses();
    SocketResponses(SocketResponses&&) noexcept;
    SocketResponses& operator=(SocketResponses&&) noexcept;

    /// A message of the client, or a part of one, as WebSocketMessages delivers it. `on_response` takes a
    /// SocketResponse.
    template <class F>
    void from_client(const SseEvent& message, Time now, F&& on_response)
    {
        add_client(message, now);
        give(on_response);
    }
    template <class F>
    void from_server(const SseEvent& message, Time now, F&& on_response)
    {
        add_server(message, now);
        give(on_response);
    }
    /// No more messages will come, or those of one side can no longer be read, which the caller can tell
    /// apart in the calls that it makes: what is open is broken off. Nothing is to be called afterwards but
    /// open().
    template <class F>
    void finish(Time now, F&& on_response)
    {
        end_all(now);
        give(on_response);
    }

    /// Responses that were asked for or have begun, and have not ended.
    std::size_t open() const;

    /// About how many bytes are held: no less than what there is of questions and of texts, and more where a
    /// message has been read and its text is not kept.
    std::size_t held() const;

  private:
    struct State;

    void add_client(const SseEvent& message, Time now);
    void add_server(const SseEvent& message, Time now);
    void end_all(Time now);
    std::optional<SocketResponse> take_ended();

    template <class F>
    void give(F&& on_response)
    {
        while (auto ended = take_ended())
            on_response(*std::move(ended));
    }

    std::unique_ptr<State> state_;
};

}  // namespace route
