#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace route::notify {

/// What routers that share a database agree on, so that one of them tells and not each. Asked on the
/// notifier's thread, which may be kept waiting for a second or two. No answer (nullopt, false): the others
/// cannot be reached, and this router acts for itself; the next ten seconds' questions have none either, at
/// once, so that a flood of failures is not held up by each.
class Agreement
{
  public:
    virtual ~Agreement() = default;

    struct Begun
    {
        bool mine = true;                   ///< this router tells the first
        std::chrono::milliseconds left{0};  ///< until the open window ends
    };
    /// Opens a window for `key` unless one is open.
    virtual std::optional<Begun> begin(const std::string& key, std::chrono::milliseconds window) = 0;

    struct Counted
    {
        std::string key;
        std::uint64_t count = 0;
    };
    /// Adds what this router has counted to what all have, at the end of windows. All in one: however many
    /// there are, that is one question. No key comes twice.
    virtual bool add(const std::vector<Counted>& counted) = 0;

    /// Whether nobody has said what `key` names for so long; it counts as said by this router then.
    virtual std::optional<bool> first_to_say(const std::string& key, std::chrono::milliseconds since) = 0;

    struct Taken
    {
        std::uint64_t count = 0;  ///< what this router is to tell; 0: nothing, or another has told it
        std::chrono::milliseconds left{0};  ///< until the end of the next window; 0: there is none
    };
    /// Takes what was added for each of the keys, in their order, where the window has ended; with `early`
    /// before that, too. Where there was something, another window begins.
    virtual std::optional<std::vector<Taken>> take(const std::vector<std::string>& keys,
                                                   std::chrono::milliseconds window, bool early) = 0;
};

}  // namespace route::notify
