#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace route {

/// What tells the events of one socket apart: what a message of the Responses API or of the Realtime API says
/// of itself in short members, wherever its long ones stand. "" where it says nothing.
struct SocketEventFacts
{
    std::string type;
    std::string event_id;        ///< the client's own
    std::string model;           ///< of a `response.create`
    std::string response_id;     ///< in created and done `response.id`
    std::string status;          ///< of the response
    std::string reply_model;     ///< the response's
    std::string session_model;   ///< the session's
    std::string error_event_id;  ///< the client's event that is wrong
    std::string error_message;
    std::string error_code;
    std::string error_type;
    std::string reason;  ///< of its status

    void clear();
    /// What went wrong in its own words, one line; "" when it says nothing of it.
    std::string error_words() const;
};

/// Reads the facts of one message after the other, piece by piece, and no further than they reach: of most
/// messages the beginning only, nothing behind the type of one that holds sound. Flat memory.
class SocketEventReader
{
  public:
    /// Where a type has to stand to count, and all else of messages whose type does not ask for more.
    static constexpr std::size_t beginning = 64u << 10;

    SocketEventReader();
    ~SocketEventReader();
    SocketEventReader(SocketEventReader&&) noexcept;
    SocketEventReader& operator=(SocketEventReader&&) noexcept;

    void begin();
    void write(std::string_view piece);
    /// Valid until begin().
    const SocketEventFacts& facts() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Whether a message of this type holds sound and nothing else.
bool is_sound(std::string_view type);
/// Whether it ends the response it speaks of.
bool ends_response(std::string_view type);
/// Whether it says that a response has begun, and nothing of what it says.
bool begins_response(std::string_view type);
/// Whether it is the client's wish for a response.
bool asks_for_response(std::string_view type);

}  // namespace route
