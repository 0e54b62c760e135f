#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string_view>

namespace route::fuzz {

/// What libFuzzer gives a target: bytes for a parser, and behind them numbers that choose how they are used.
class Input
{
  public:
    Input(const std::uint8_t* data, std::size_t size) : bytes_{reinterpret_cast<const char*>(data), size} {}

    /// Takes a number off the end: its last two bytes, or 0.
    unsigned choose();

    /// Takes the first line off, its end too.
    std::string_view take_line();

    std::string_view bytes() const { return bytes_; }

  private:
    std::string_view bytes_;
};

/// A copy on the heap with nothing behind it but `padding` bytes, so that reading past it is seen.
class Bytes
{
  public:
    explicit Bytes(std::string_view text, std::size_t padding = 0, char fill = ' ');
    std::string_view view() const { return {bytes_.get(), size_}; }

  private:
    std::size_t size_;
    std::unique_ptr<char[]> bytes_;
};

constexpr unsigned in_single_bytes = 0;
constexpr unsigned in_one_piece = 9;

/// Calls `each(piece)` for pieces of `bytes` in their order, `most` or a few more of them; `choice` says how
/// long they are.
template <class Each>
void in_pieces(std::string_view bytes, unsigned choice, Each&& each, std::size_t most = 4096)
{
    std::minstd_rand random{choice};
    const auto magnitude = choice % 10;
    const auto longest = std::size_t{1} << magnitude;
    const auto shortest = 1 + bytes.size() / most;
    while (!bytes.empty()) {
        const auto wanted = magnitude == in_one_piece ? bytes.size() : shortest + random() % longest;
        const auto size = std::min<std::size_t>(wanted, bytes.size());
        if (size > 1)
            each(Bytes{bytes.substr(0, size)}.view());
        else
            each(bytes.substr(0, size));
        bytes.remove_prefix(size);
    }
}

/// Ends the process when a property does not hold, so that libFuzzer keeps the input.
void require(bool holds, std::string_view property);

/// The same for two texts that should be one.
void require_equal(std::string_view found, std::string_view expected, std::string_view property);

}  // namespace route::fuzz
