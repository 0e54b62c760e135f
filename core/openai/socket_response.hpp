#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

}  // namespace route
