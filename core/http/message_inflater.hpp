#pragma once

#include <zlib.h>

#include <array>
#include <cstddef>
#include <string_view>

namespace route {

/// Decodes the compressed messages of one direction of a WebSocket (RFC 7692), piece by piece: zlib's decoder
/// for bare deflate, and the room that what comes out is put into. 60 KiB. Time is proportional to the bytes
/// that go in and come out, into however many blocks they are divided.
class MessageInflater
{
  public:
    /// Bytes that come out of a step.
    static constexpr std::size_t most_produced = 16u << 10;

    MessageInflater() : usable_{inflateInit2(&stream_, -MAX_WBITS) == Z_OK} {}
    ~MessageInflater();
    MessageInflater(const MessageInflater&) = delete;
    MessageInflater& operator=(const MessageInflater&) = delete;

    /// False when there was no memory for it.
    bool usable() const { return usable_; }

    /// The next message begins, which does not refer to those before it when it stands `alone`.
    void begin_message(bool alone);

    /// Takes bytes off until none are left or `room` have come out, which are valid until the next call;
    /// false when they cannot be decoded.
    bool step(std::string_view& bytes, std::size_t room, std::string_view& produced);

    /// Whether more may come out of what went in.
    bool has_more() const { return more_; }
    /// Whether nothing of the message went in, or nothing since a last block.
    bool at_beginning() const { return at_beginning_; }
    /// Whether a block ends here.
    bool at_boundary() const { return at_beginning_ || (stream_.data_type & 128) != 0; }

    /// What came out and had no room.
    std::string_view waiting;

  private:
    z_stream stream_{};
    bool usable_;
    bool at_beginning_ = true;
    bool more_ = false;
    std::array<char, most_produced> room_;
};

}  // namespace route
