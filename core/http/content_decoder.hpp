#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace route {

class Codec;

/// Takes a content coding off a body (RFC 9110 8.4.1), piece by piece, split anywhere: gzip, of several
/// members too (RFC 1952 2.2), deflate, inside zlib's format as it should be or bare as some servers send it,
/// zstd (RFC 8878), of several frames too, with a window of 8 MiB at most, and brotli (RFC 7932). Holds the
/// decoder's state from the first byte to the last: about 40 KiB of zlib's, else up to the window's size.
/// What does not decode is given up; what came before it has been handed on.
class ContentDecoder
{
  public:
    enum class Coding
    {
        gzip,
        deflate,
        zstd,
        brotli
    };
    /// `gzip`, `x-gzip`, `deflate`, `zstd` and `br` in any case; none for other codings and for several in a
    /// row.
    static std::optional<Coding> coding(std::string_view content_encoding);

    enum class State
    {
        open,       ///< more must come
        whole,      ///< may end here; what comes behind it and is no further member is passed over
        corrupt,    ///< given up: not what it was said to be
        excessive,  ///< given up: decodes to far more than it is
    };

    explicit ContentDecoder(Coding coding);
    ~ContentDecoder();
    ContentDecoder(ContentDecoder&&) noexcept;
    ContentDecoder& operator=(ContentDecoder&&) noexcept;

    /// Decodes all of `bytes`, calls `on_content` with what they hold, at most `piece_size` bytes at a time.
    template <class F>
    void feed(std::string_view bytes, F&& on_content)
    {
        std::array<char, piece_size> piece;
        for (auto content = next(bytes, piece); !content.empty(); content = next(bytes, piece))
            on_content(content);
    }

    State state() const { return state_; }
    bool gave_up() const { return state_ == State::corrupt || state_ == State::excessive; }
    std::string_view name() const;
    bool is_gzip() const { return coding_ == Coding::gzip; }
    /// Whether anything came out.
    bool has_content() const { return has_content_; }

    static constexpr std::size_t piece_size = 16u << 10;
    /// A stretch of content may be this many bytes, and `usual_ratio` for each byte it is decoded from.
    static constexpr std::uint64_t allowance = 1u << 20;
    static constexpr std::uint64_t usual_ratio = 100;

  private:
    std::string_view next(std::string_view& rest, std::span<char> piece);
    bool begin(char first);
    void end(State state);
    bool afford(std::uint64_t consumed, std::uint64_t produced);

    Coding coding_;
    State state_ = State::open;
    bool ended_ = false;  ///< nothing behind this is content
    bool has_content_ = false;
    std::uint64_t affordable_ = allowance;  ///< bytes that may still come out, before more goes in
    std::unique_ptr<Codec> codec_;
};

}  // namespace route
