#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "core/http/client_head.hpp"
#include "core/net/http/client.hpp"

namespace route::net {

/// A comment of server-sent events, by which nothing is said.
inline constexpr std::string_view keep_alive_comment = ": keep-alive\n\n";

/// Sends one reply to the client: head and body gathered into one write, the body framed as the client needs
/// it. What the client does not take at once is copied and drained.
class ReplyWriter
{
  public:
    enum class Written
    {
        all,
        waiting,  ///< await drain()
        gone,     ///< the client has left, or took nothing for too long
    };

    /// `stall`: how long the client may take no byte. `hold_last_byte`: the last byte of the message waits
    /// for release().
    ReplyWriter(Client& client, Seconds stall, bool hold_last_byte)
        : client_{client}, stall_{stall}, hold_last_byte_{hold_last_byte}
    {
    }

    /// `head` (a whole head) goes with the first bytes; it is used before the next suspension only.
    void begin(std::string_view head, Framing framing);

    /// Sends the next piece of the body; `last` ends the message. Never suspends. Behind what is pending() it
    /// waits, too.
    Written write(std::string_view payload, bool last);

    awaitable<Written> drain();

    /// The client has not taken all that was written.
    bool pending() const { return rest_sent_ < rest_.size(); }

    /// Sends the byte that was held.
    awaitable<Written> release();

    /// The client has not seen the end of the message yet, and shall not before release(): a byte of it is
    /// held, or the connection is still to close.
    bool holds_end() const { return held_ || (hold_last_byte_ && framing_ == Framing::close && started()); }
    bool started() const { return first_byte_.has_value(); }
    std::optional<TimePoint> first_byte() const { return first_byte_; }
    Framing framing() const { return framing_; }
    Clock::duration waited() const { return waited_; }

  private:
    Written send(std::span<iovec> parts);

    Client& client_;
    Seconds stall_;
    bool hold_last_byte_;
    Framing framing_ = Framing::none;
    std::string_view head_;
    std::string rest_;
    std::size_t rest_sent_ = 0;
    std::optional<char> held_;
    std::optional<TimePoint> first_byte_;
    Clock::duration waited_{};
};

}  // namespace route::net
