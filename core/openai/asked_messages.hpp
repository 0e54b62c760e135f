#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace route {

/// Collects messages, JSON each, a line for each: `[audio, N bytes]` stands for sound of more than 1 KiB in a
/// member `audio`. Keeps the first `most` bytes of all of them.
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
    /// The messages that have ended since the last call. One that comes at the moment is left out as a whole:
    /// half of one could end inside of a secret.
    Taken take();

  private:
    /// Text of which a beginning is kept.
    struct Collected
    {
        std::string text;
        std::uint64_t bytes = 0;  ///< of all of it

        bool cut() const { return text.size() < bytes; }
        void add(std::string_view more, std::size_t most);
    };

    void put(std::string_view text);
    void end_sound();

    std::size_t most_;
    Collected ended_;    ///< messages
    Collected message_;  ///< the one that comes
    bool in_sound_ = false;
    std::uint64_t sound_ = 0;  ///< characters of it so far
};

}  // namespace route
