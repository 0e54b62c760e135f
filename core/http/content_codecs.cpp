// The formats of content codings behind one interface: zlib's, zstd's and brotli's decoders.
#include "core/http/content_codecs.hpp"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>

namespace route {
namespace {

/// What inflateInit2() calls the formats: the window's size, its sign or 16 on top.
constexpr int zlib_format = MAX_WBITS;
constexpr int bare_format = -MAX_WBITS;
constexpr int gzip_format = MAX_WBITS + 16;

/// zlib's format begins with its method, 8, in four bits (RFC 1950 2.2). Bare deflate would begin so with a
/// stored block whose padding is not zero, which nobody writes.
int deflate_format(char first)
{
    return (first & 0x0f) == Z_DEFLATED ? zlib_format : bare_format;
}

class ZlibCodec final : public Codec
{
  public:
    explicit ZlibCodec(int format) : format_{format}, usable_{inflateInit2(&stream_, format) == Z_OK} {}
    ~ZlibCodec() override
    {
        if (usable_)
            inflateEnd(&stream_);
    }
    ZlibCodec(const ZlibCodec&) = delete;
    ZlibCodec& operator=(const ZlibCodec&) = delete;
    bool usable() const { return usable_; }

    Step step(std::string_view bytes, std::span<char> piece) override
    {
        const auto size = std::min<std::size_t>(bytes.size(), std::numeric_limits<uInt>::max());
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
        stream_.avail_in = static_cast<uInt>(size);
        stream_.next_out = reinterpret_cast<Bytef*>(piece.data());
        stream_.avail_out = static_cast<uInt>(piece.size());
        const auto result = inflate(&stream_, Z_NO_FLUSH);
        Step step{size - stream_.avail_in, piece.size() - stream_.avail_out};
        if (result == Z_STREAM_END)
            step.state = State::ended;
        else if (result != Z_OK && result != Z_BUF_ERROR)  // the latter: all was used up
            step.state = State::corrupt;
        return step;
    }

    /// Gzip bodies have members (RFC 1952 2.2), deflate ones do not.
    bool begin_member(char first) override
    {
        constexpr char first_of_member = '\x1f';
        return format_ == gzip_format && first == first_of_member && inflateReset(&stream_) == Z_OK;
    }

  private:
    z_stream stream_{};
    int format_;
    bool usable_;
};

class ZstdCodec final : public Codec
{
  public:
    /// The largest window a sender may count on (RFC 9659 3): a body cannot ask for more memory than that.
    static constexpr int window_log = 23;

    ZstdCodec() : stream_{ZSTD_createDStream()}
    {
        if (stream_ != nullptr &&
            ZSTD_isError(ZSTD_DCtx_setParameter(stream_, ZSTD_d_windowLogMax, window_log))) {
            ZSTD_freeDStream(stream_);
            stream_ = nullptr;
        }
    }
    ~ZstdCodec() override { ZSTD_freeDStream(stream_); }
    ZstdCodec(const ZstdCodec&) = delete;
    ZstdCodec& operator=(const ZstdCodec&) = delete;
    bool usable() const { return stream_ != nullptr; }

    Step step(std::string_view bytes, std::span<char> piece) override
    {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        ZSTD_outBuffer out{piece.data(), piece.size(), 0};
        const auto result = ZSTD_decompressStream(stream_, &out, &in);
        Step step{in.pos, out.pos};
        if (ZSTD_isError(result))
            step.state = State::corrupt;
        else if (result == 0)
            step.state = State::ended;
        return step;
    }

    /// Another frame, or one to be skipped (RFC 8878 3.1).
    bool begin_member(char first) override { return first == '\x28' || (first & '\xf0') == '\x50'; }

  private:
    ZSTD_DStream* stream_;
};

/// Windows of more than 16 MiB are refused, as the library does by itself (RFC 7932 9.1).
class BrotliCodec final : public Codec
{
  public:
    BrotliCodec() : state_{BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)} {}
    ~BrotliCodec() override
    {
        if (state_ != nullptr)
            BrotliDecoderDestroyInstance(state_);
    }
    BrotliCodec(const BrotliCodec&) = delete;
    BrotliCodec& operator=(const BrotliCodec&) = delete;
    bool usable() const { return state_ != nullptr; }

    /// In slices: from all of it at once the library would decode up to a window before it lets anything out,
    /// for which nobody could say what it is decoded from.
    Step step(std::string_view bytes, std::span<char> piece) override
    {
        constexpr std::size_t slice = 4096;
        bytes = bytes.substr(0, slice);
        auto left = bytes.size();
        auto room = piece.size();
        const auto* in = reinterpret_cast<const std::uint8_t*>(bytes.data());
        auto* out = reinterpret_cast<std::uint8_t*>(piece.data());
        const auto result = BrotliDecoderDecompressStream(state_, &left, &in, &room, &out, nullptr);
        Step step{bytes.size() - left, piece.size() - room};
        if (result == BROTLI_DECODER_RESULT_SUCCESS)
            step.state = State::ended;
        else if (result == BROTLI_DECODER_RESULT_ERROR)
            step.state = State::corrupt;
        return step;
    }

    bool begin_member(char) override { return false; }

    /// Its largest window (RFC 7932 9.1).
    std::uint64_t most_held_back() const override { return 1u << 24; }

  private:
    BrotliDecoderState* state_;
};

template <class T, class... Arguments>
std::unique_ptr<Codec> usable_codec(Arguments... arguments)
{
    auto codec = std::make_unique<T>(arguments...);
    return codec->usable() ? std::unique_ptr<Codec>{std::move(codec)} : nullptr;
}

}  // namespace

std::unique_ptr<Codec> make_codec(ContentDecoder::Coding coding, char first)
{
    switch (coding) {
        case ContentDecoder::Coding::gzip:
            return usable_codec<ZlibCodec>(gzip_format);
        case ContentDecoder::Coding::deflate:
            return usable_codec<ZlibCodec>(deflate_format(first));
        case ContentDecoder::Coding::zstd:
            return usable_codec<ZstdCodec>();
        case ContentDecoder::Coding::brotli:
            return usable_codec<BrotliCodec>();
    }
    return nullptr;
}

}  // namespace route
