#include "tests/support/compression.hpp"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace route::test {

namespace {

int window_bits(Format format)
{
    switch (format) {
        case Format::gzip:
            return MAX_WBITS + 16;
        case Format::zlib:
            return MAX_WBITS;
        default:
            break;
    }
    return -MAX_WBITS;
}

class Compressor
{
  public:
    virtual ~Compressor() = default;
    /// What has gone in can be read from what has come out; `last` ends the body.
    virtual std::string put(std::string_view text, bool last) = 0;
};

class Deflate final : public Compressor
{
  public:
    explicit Deflate(Format format)
    {
        constexpr int memory_level = 8;
        if (deflateInit2(&stream_, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits(format), memory_level,
                         Z_DEFAULT_STRATEGY) != Z_OK)
            throw std::runtime_error{"deflateInit2 failed"};
    }
    ~Deflate() override { deflateEnd(&stream_); }
    Deflate(const Deflate&) = delete;
    Deflate& operator=(const Deflate&) = delete;

    std::string put(std::string_view text, bool last) override
    {
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
        stream_.avail_in = static_cast<uInt>(text.size());
        std::string bytes;
        std::array<char, 16384> room;
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(room.data());
            stream_.avail_out = static_cast<uInt>(room.size());
            deflate(&stream_, last ? Z_FINISH : Z_SYNC_FLUSH);
            bytes.append(room.data(), room.size() - stream_.avail_out);
        } while (stream_.avail_out == 0);
        return bytes;
    }

  private:
    z_stream stream_{};
};

class Zstd final : public Compressor
{
  public:
    ~Zstd() override { ZSTD_freeCCtx(context_); }
    Zstd() = default;
    Zstd(const Zstd&) = delete;
    Zstd& operator=(const Zstd&) = delete;

    std::string put(std::string_view text, bool last) override
    {
        ZSTD_inBuffer in{text.data(), text.size(), 0};
        std::string bytes;
        std::array<char, 16384> room;
        for (std::size_t left = 1; left != 0;) {
            ZSTD_outBuffer out{room.data(), room.size(), 0};
            left = ZSTD_compressStream2(context_, &out, &in, last ? ZSTD_e_end : ZSTD_e_flush);
            if (ZSTD_isError(left))
                throw std::runtime_error{ZSTD_getErrorName(left)};
            bytes.append(room.data(), out.pos);
        }
        return bytes;
    }

  private:
    ZSTD_CCtx* context_ = ZSTD_createCCtx();
};

class Brotli final : public Compressor
{
  public:
    Brotli()
    {
        constexpr std::uint32_t quality = 5;
        BrotliEncoderSetParameter(state_, BROTLI_PARAM_QUALITY, quality);
    }
    ~Brotli() override { BrotliEncoderDestroyInstance(state_); }
    Brotli(const Brotli&) = delete;
    Brotli& operator=(const Brotli&) = delete;

    std::string put(std::string_view text, bool last) override
    {
        auto left = text.size();
        const auto* in = reinterpret_cast<const std::uint8_t*>(text.data());
        std::string bytes;
        std::array<std::uint8_t, 16384> room;
        do {
            auto free = room.size();
            auto* out = room.data();
            if (!BrotliEncoderCompressStream(state_, last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_FLUSH,
                                             &left, &in, &free, &out, nullptr))
                throw std::runtime_error{"brotli failed"};
            bytes.append(reinterpret_cast<const char*>(room.data()), room.size() - free);
        } while (left > 0 || BrotliEncoderHasMoreOutput(state_));
        return bytes;
    }

  private:
    BrotliEncoderState* state_ = BrotliEncoderCreateInstance(nullptr, nullptr, nullptr);
};

std::unique_ptr<Compressor> compressor(Format format)
{
    if (format == Format::zstd)
        return std::make_unique<Zstd>();
    if (format == Format::brotli)
        return std::make_unique<Brotli>();
    return std::make_unique<Deflate>(format);
}

}  // namespace

std::string compressed(Format format, std::string_view text)
{
    return compressor(format)->put(text, true);
}

std::vector<std::string> compressed_pieces(Format format, const std::vector<std::string>& pieces)
{
    const auto one = compressor(format);
    std::vector<std::string> all;
    for (std::size_t i = 0; i < pieces.size(); ++i)
        all.push_back(one->put(pieces[i], i + 1 == pieces.size()));
    return all;
}

}  // namespace route::test
