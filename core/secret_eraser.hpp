#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace route {

/// A set of keys and credentials that nobody gets to see. Finds all of them in a text in one pass, as they
/// are and as JSON, URLs and HTML write them: each character may stand as `\/`, `\u002B`, `%2B`, `&amp;` or
/// `&#43;`, in any mixture, and so again up to three times (JSON inside JSON). The time is linear in the
/// text, whatever the text and the secrets hold. Const functions may be called by several threads at once.
class SecretEraser
{
  public:
    /// What is shorter is no secret: it may be a word.
    static constexpr std::size_t shortest = 8;
    /// Of a longer secret this much of its beginning gives it away: it is erased as far as it stands there.
    static constexpr std::size_t telling = 64;
    /// So much of a secret's beginning is erased at the end of a text that was cut.
    static constexpr std::size_t shortest_part = 4;

    SecretEraser() { shifts_.fill(0); }

    /// Passes over what is too short or there already.
    void add(std::string_view secret);
    bool empty() const { return patterns_.empty(); }

    /// Puts `…` wherever a secret stands in `text`. Whether there was one.
    bool erase(std::string& text) const;
    /// The same for a text that was cut: the beginning of a secret at its end goes, too.
    bool erase_from_cut(std::string& text) const;

  private:
    friend bool erase_secrets(std::string& text, std::span<const SecretEraser* const> erasers, bool cut);
    friend class SecretSearch;

    struct Pattern
    {
        std::string text;
        std::uint16_t end = 0;  ///< hash of the last block of its window
    };

    void add_pattern(std::string text);
    void note(Pattern& pattern);

    std::vector<Pattern> patterns_;
    /// Wu and Manber's: how far the window may move on when its last block has this hash.
    static constexpr std::size_t hashes = 4096;
    std::array<std::uint8_t, hashes> shifts_;
    std::size_t window_ = 0;
};

/// The same with the secrets of several; `text` is decoded once for all. `cut`: as erase_from_cut().
bool erase_secrets(std::string& text, std::span<const SecretEraser* const> erasers, bool cut);

}  // namespace route
