// The formats of content codings behind one interface: zlib's, zstd's and brotli's decoders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/http/content_decoder.hpp"

namespace route {

/// Decodes one body, piece by piece. Holds the library's state.
class Codec
{
  public:
    enum class State
    {
        open,   ///< more must come, or more comes out
        ended,  ///< of the body, or of one of its members
        corrupt,
    };
    struct Step
    {
        std::size_t consumed = 0;
        std::size_t produced = 0;
        State state = State::open;
    };

    virtual ~Codec() = default;

    /// Decodes from `bytes` into `piece` until one of the two is used up or a member ends.
    virtual Step step(std::string_view bytes, std::span<char> piece) = 0;

    /// After an end: whether `first` begins another member, for which it then is ready.
    virtual bool begin_member(char first) = 0;

    /// Bytes of content that it may have taken in before it lets any out.
    virtual std::uint64_t most_held_back() const { return 0; }
};

/// For a body that begins with `first`; null without memory.
std::unique_ptr<Codec> make_codec(ContentDecoder::Coding coding, char first);

}  // namespace route
