#include "core/uuid.hpp"

#include <array>

namespace route {

namespace {

/// "00" to "ff", so that a byte is one look-up.
constexpr auto hex_pairs = [] {
    constexpr char digits[] = "0123456789abcdef";
    std::array<std::array<char, 2>, 256> pairs{};
    for (std::size_t i = 0; i < pairs.size(); ++i)
        pairs[i] = {digits[i >> 4], digits[i & 15]};
    return pairs;
}();

/// The top `bytes` bytes of `value`; the place behind them.
char* write_bytes(char* out, std::uint64_t value, int bytes)
{
    for (; bytes > 0; --bytes, value <<= 8) {
        const auto& pair = hex_pairs[value >> 56];
        *out++ = pair[0];
        *out++ = pair[1];
    }
    return out;
}

}  // namespace

void write_uuid_v7(std::string& text, std::chrono::system_clock::time_point now, std::uint64_t random_a,
                   std::uint64_t random_b)
{
    const auto since_epoch = std::chrono::floor<std::chrono::milliseconds>(now.time_since_epoch());
    const auto milliseconds = static_cast<std::uint64_t>(since_epoch.count());
    const std::uint64_t high = milliseconds << 16 | 0x7000u | (random_a & 0x0fffu);
    const std::uint64_t low = (random_b & 0x3fff'ffff'ffff'ffffu) | 0x8000'0000'0000'0000u;

    text.assign(36, '-');
    char* out = text.data();
    out = write_bytes(out, high, 4) + 1;
    out = write_bytes(out, high << 32, 2) + 1;
    out = write_bytes(out, high << 48, 2) + 1;
    out = write_bytes(out, low, 2) + 1;
    write_bytes(out, low << 16, 6);
}

std::string uuid_v7(std::chrono::system_clock::time_point now, std::uint64_t random_a, std::uint64_t random_b)
{
    std::string text;
    write_uuid_v7(text, now, random_a, random_b);
    return text;
}

}  // namespace route
