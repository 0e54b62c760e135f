#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/http/websocket_extensions.hpp"
#include "core/openai/sse_parser.hpp"

namespace route {

class MessageInflater;

/// Why a side closed a WebSocket, as it says.
struct WebSocketClose
{
    unsigned code = 1005;  ///< RFC 6455 7.4; 1005: it gave none
    std::string reason;    ///< any bytes

    bool operator==(const WebSocketClose&) const = default;
};

/// Reads the text messages of one direction of a WebSocket (RFC 6455) from a copy of its bytes, split
/// anywhere, masked or not, compressed or not. Binary messages and control frames are passed over, but for
/// the closing. A message is delivered as an event without a type: up to `max_whole` bytes whole, a longer
/// one in parts, the first `max_whole` bytes, then more as it comes, then its end. Holds twice that much at
/// most, and of compressed messages the decoder's state, 60 KiB from the first one on. What decodes to more
/// than `max_inflated` bytes is passed over from there on, as if it ended there, or ends the reading where
/// later messages refer to it. Time is proportional to the bytes that come and that come out of them, a
/// thousand for one at most: who has other things to do looks at decoded() between two calls.
class WebSocketMessages
{
  public:
    static constexpr std::size_t max_whole = SseParser::max_event;
    static constexpr std::uint64_t max_inflated = 64u << 20;
    static_assert(max_whole < max_inflated, "what is too long came in parts");

    explicit WebSocketMessages(WebSocketDeflate deflate = {});
    ~WebSocketMessages();
    WebSocketMessages(WebSocketMessages&&) noexcept;
    WebSocketMessages& operator=(WebSocketMessages&&) noexcept;

    /// Calls `on_message` for every message, or part of one, that `bytes` complete. Its views are valid
    /// during the callback only. Does nothing once the direction is not legible.
    template <class F>
    void feed(std::string_view bytes, F&& on_message)
    {
        for (SseEvent message; next(bytes, message);)
            on_message(std::as_const(message));
    }

    /// False from the first bytes on that are no WebSocket, or cannot be decoded. Messages that ended before
    /// were delivered; the one in which it happened never ends.
    bool legible() const { return legible_; }

    /// The last close frame, if one came.
    const std::optional<WebSocketClose>& closed() const { return closed_; }

    /// Bytes held for an unfinished message; what the decoder has is not counted.
    std::size_t held() const { return text_.capacity(); }

    /// Bytes that have come out of compressed messages so far, passed over or not.
    std::uint64_t decoded() const { return decoded_; }

  private:
    enum class Kind : std::uint8_t
    {
        none,  ///< between two messages
        text,
        binary,
    };

    static constexpr std::size_t longest_head = 14;

    bool next(std::string_view& rest, SseEvent& message);
    bool take_head(std::string_view& rest);
    std::size_t head_size() const;
    bool begin_frame();
    bool begin_message(Kind kind, bool compressed);
    bool take_payload(std::string_view& rest, SseEvent& message);
    bool take_plain(std::string_view& rest, SseEvent& message);
    bool take_masked_part(std::string_view& rest, SseEvent& message);
    bool take_compressed(std::string_view& rest, SseEvent& message);
    std::string_view decode(std::string_view& rest);
    std::string_view decode_some(std::string_view& payload, std::size_t room);
    void pass_over_rest();
    bool passes_over() const;
    bool end_frame(SseEvent& message);
    void forget_text();
    bool give_up();

    bool give_beginning(SseEvent& message);
    std::string_view append(std::string_view bytes, std::string& to);
    void unmask(char* text, std::size_t size) const;
    void end_close();
    void skip(std::string_view& rest, std::size_t size);

    WebSocketDeflate deflate_;
    bool legible_ = true;

    std::array<char, longest_head> head_{};  ///< of the frame that begins
    std::uint8_t head_taken_ = 0;

    // The frame whose payload comes.
    bool in_frame_ = false;
    bool last_frame_ = false;  ///< of its message
    bool control_ = false;
    bool close_ = false;
    std::array<char, 4> mask_{};
    bool masked_ = false;
    std::uint64_t left_ = 0;    ///< of its payload
    std::uint8_t mask_at_ = 0;  ///< byte of the mask that is next

    // The message it belongs to.
    Kind kind_ = Kind::none;
    bool compressed_ = false;
    bool excessive_ = false;      ///< its rest is passed over
    bool long_ = false;           ///< its beginning was delivered
    bool delivered_ = false;      ///< what is in text_ was
    std::string text_;            ///< what of it came with earlier bytes, or does not lie there as it is
    std::uint64_t inflated_ = 0;  ///< bytes of it
    std::uint8_t tail_left_ = 0;  ///< bytes that end its compressed data and were not sent
    std::unique_ptr<MessageInflater> inflater_;
    std::uint64_t decoded_ = 0;  ///< bytes of all

    std::string close_payload_;  ///< as far as it has come
    std::optional<WebSocketClose> closed_;
};

}  // namespace route
