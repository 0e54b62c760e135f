#include "tests/support/websocket_frames.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace route::test {
namespace {

void put_number(std::string& bytes, std::uint64_t number, unsigned size)
{
    for (unsigned i = size; i-- > 0;)
        bytes += static_cast<char>(number >> (8 * i));
}

}  // namespace

std::string frame(std::string_view payload, const FrameForm& form)
{
    constexpr std::size_t longest_short = 125;
    auto length_bytes = form.length_bytes;
    if (length_bytes == 0 && payload.size() > longest_short)
        length_bytes = payload.size() > 0xffff ? 8 : 2;
    std::string bytes;
    bytes += static_cast<char>((form.final ? 0x80u : 0) | (form.compressed ? 0x40u : 0) | form.opcode);
    const auto length = length_bytes == 0 ? payload.size() : length_bytes == 2 ? 126u : 127u;
    bytes += static_cast<char>((form.mask != 0 ? 0x80u : 0) | length);
    put_number(bytes, payload.size(), length_bytes);
    if (form.mask == 0)
        return bytes.append(payload);
    put_number(bytes, form.mask, 4);
    for (std::size_t i = 0; i < payload.size(); ++i)
        bytes += static_cast<char>(static_cast<unsigned char>(payload[i]) ^ form.mask >> (24 - 8 * (i % 4)));
    return bytes;
}

struct MessageDeflater::State
{
    z_stream stream{};
};

MessageDeflater::MessageDeflater(bool no_context_takeover)
    : state_{std::make_unique<State>()}, no_context_takeover_{no_context_takeover}
{
    constexpr int memory_level = 8;
    if (deflateInit2(&state_->stream, Z_BEST_COMPRESSION, Z_DEFLATED, -MAX_WBITS, memory_level,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::runtime_error{"deflateInit2 failed"};
}

MessageDeflater::~MessageDeflater()
{
    deflateEnd(&state_->stream);
}

std::string MessageDeflater::deflate(std::string_view message)
{
    auto& stream = state_->stream;
    if (no_context_takeover_)
        deflateReset(&stream);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(message.data()));
    stream.avail_in = static_cast<uInt>(message.size());
    std::string bytes;
    std::array<char, 16384> room;
    do {
        stream.next_out = reinterpret_cast<Bytef*>(room.data());
        stream.avail_out = static_cast<uInt>(room.size());
        ::deflate(&stream, Z_SYNC_FLUSH);
        bytes.append(room.data(), room.size() - stream.avail_out);
    } while (stream.avail_out == 0);
    constexpr std::size_t tail = 4;
    bytes.resize(bytes.size() - std::min(tail, bytes.size()));
    return bytes;
}

}  // namespace route::test
