#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/openai/sse_parser.hpp"
#include "core/record.hpp"

namespace route {

/// The APIs that give their responses over a WebSocket.
enum class SocketApi
{
    responses,  ///< one after the other; its events bear no id of their response
    realtime,   ///< also several at once, and those the server begins by itself when it hears speech
};

/// By the client's path without its query; nothing where the messages are of no known form.
std::optional<SocketApi> socket_api_of(std::string_view path);

/// One response that was given, or should have been, over a WebSocket.
struct SocketResponse
{
    using Time = std::chrono::steady_clock::time_point;

    enum class End
    {
        completed,
        incomplete,  ///< by its length or a filter: `summary.finish_reason`
        cancelled,
        failed,
        displaced,   ///< as many as may be open were, and another began
        broken_off,  ///< finish() came before its end
    };

    std::string id;          ///< the server's; "" when it gave none
    bool asked_for = false;  ///< by a `response.create`, which is known; else the server began by itself, or
                             ///< what it answers is forgotten
    std::string asked;       ///< the client's messages since the response before, a line each, without sound
    bool asked_cut = false;  ///< `asked` is their beginning
    std::uint64_t asked_bytes = 0;  ///< of all of them
    std::string model;  ///< as asked for, or as the session has it; "" when no message names one. Of a name
                        ///< in a message the first `max_model_name` bytes: as many may be a beginning
    std::string reply_model;  ///< as the response has it, cut in the same way
    ReplySummary summary;
    std::uint64_t reply_bytes = 0;  ///< of the server's messages that belong to it
    std::string error;              ///< of a failed one, in the server's words
    End end = End::broken_off;
    Time began{};  ///< when it was asked for, else when the server began
    std::optional<Time> first_message;
    std::optional<Time> first_content;
    Time ended{};  ///< not later than the call that hands it out
};

/// Tells the responses apart that are asked for and given over one WebSocket, from the text messages of both
/// sides in the order in which they passed, and calls back for each when it ends. Memory: for each open
/// response `max_asked` and about twice `max_text` bytes, and `max_asked` for what comes.
///
/// When `most_open` are open and another begins, the oldest of which the server has spoken is displaced. What
/// is asked for while the server has said nothing of `most_open` others is forgotten but counted, and so is
/// what is asked for after it until all of those are answered: an answer to one of them has no question. So
/// the others have their own, and messages of the client alone make no more than `most_open` responses.
///
/// An `error` of the Realtime API fails what the client's message asked for whose id it bears. Without an id
/// it may be about another message, and fails the oldest that the server has said nothing of only if that
/// does not begin all the same: with the next `response.create`, when it is displaced, or with finish(). Such
/// a response has ended when the error came.
class SocketResponses
{
  public:
    using Time = SocketResponse::Time;

    struct Limits
    {
        std::size_t max_asked;  ///< bytes of `asked`
        std::size_t max_text;   ///< bytes of the response's text
    };

    static constexpr std::size_t most_open = 8;

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
