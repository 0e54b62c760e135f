#include "tests/support/compression.hpp"

#include <zlib.h>

#include <array>
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
        case Format::bare_deflate:
            break;
    }
    return -MAX_WBITS;
}

class Compressor
{
  public:
    explicit Compressor(Format format)
    {
        constexpr int memory_level = 8;
        if (deflateInit2(&stream_, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits(format), memory_level,
                         Z_DEFAULT_STRATEGY) != Z_OK)
            throw std::runtime_error{"deflateInit2 failed"};
    }
    ~Compressor() { deflateEnd(&stream_); }
    Compressor(const Compressor&) = delete;
    Compressor& operator=(const Compressor&) = delete;

    std::string put(std::string_view text, int flush)
    {
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
        stream_.avail_in = static_cast<uInt>(text.size());
        std::string bytes;
        std::array<char, 16384> room;
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(room.data());
            stream_.avail_out = static_cast<uInt>(room.size());
            deflate(&stream_, flush);
            bytes.append(room.data(), room.size() - stream_.avail_out);
        } while (stream_.avail_out == 0);
        return bytes;
    }

  private:
    z_stream stream_{};
};

}  // namespace

std::string compressed(Format format, std::string_view text)
{
    return Compressor{format}.put(text, Z_FINISH);
}

std::vector<std::string> compressed_pieces(Format format, const std::vector<std::string>& pieces)
{
    Compressor compressor{format};
    std::vector<std::string> all;
    for (std::size_t i = 0; i < pieces.size(); ++i)
        all.push_back(compressor.put(pieces[i], i + 1 == pieces.size() ? Z_FINISH : Z_SYNC_FLUSH));
    return all;
}

}  // namespace route::test
