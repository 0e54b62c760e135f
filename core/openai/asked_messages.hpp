#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace route {

/// Collects messages, JSON each, a line for each: `[audio, N bytes]` stands for sound of more than 1 KiB in a
/// member `audio`. Keeps the first `most` bytes.
class AskedMessages
{
  public:
    explicit AskedMessages(std::size_t most) : most_{most} {}

    void begin();
    void write(std::string_view piece);
    void end();

    struct Taken
    {
        std::string text;
        bool cut = false;
        std::uint64_t bytes = 0;  ///< of all that came, sound left out
    };
    /// Leaves this empty. Not between begin() and end().
    Taken take();

  private:
    void put(std::string_view text);
    void end_sound();

    std::size_t most_;
    std::string text_;
    std::uint64_t bytes_ = 0;
    bool in_sound_ = false;
    std::uint64_t sound_ = 0;  ///< characters of it so far
};

}  // namespace route
