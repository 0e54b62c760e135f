// Which upstream made what: the ids seen last, of all threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/id_hash.hpp"

namespace route {

/// Stands for an upstream's name: the same in every table, never 0.
std::uint64_t maker_key(std::string_view upstream_name);

/// Remembers who made what, by the id's hash, in at most `most_bytes`: when its place is taken, the oldest of
/// eight goes. Any thread; nothing in it locks or waits: a note that meets another one in the same place is
/// dropped.
class Makers
{
  public:
    static constexpr std::size_t most_bytes = 16u << 20;

    Makers() = default;
    ~Makers();
    Makers(const Makers&) = delete;
    Makers& operator=(const Makers&) = delete;

    /// From now on `maker` counts as who made it. Without memory for it nothing is remembered.
    void note(const IdHash& id, std::uint64_t maker) noexcept;

    std::optional<std::uint64_t> find(const IdHash& id) const noexcept;

    /// What is held now.
    std::size_t bytes() const;

  private:
    /// A sequence lock: odd while it is written, and grows with each note.
    struct Slot
    {
        std::atomic<std::uint64_t> version{0};
        std::atomic<std::uint64_t> first{0};  ///< 16 bytes of the hash
        std::atomic<std::uint64_t> second{0};
        std::atomic<std::uint64_t> maker{0};  ///< 0: it was never used
    };
    struct Content
    {
        std::uint64_t version = 0;
        std::uint64_t first = 0;
        std::uint64_t second = 0;
        std::uint64_t maker = 0;
    };
    static constexpr std::size_t ways = 8;
    static constexpr std::size_t sets_a_page = 16;
    struct Page
    {
        Slot slots[sets_a_page][ways];
    };
    static constexpr std::size_t pages = most_bytes / sizeof(Page) - 8;  ///< eight for the pointers to them

    static std::optional<Content> read(const Slot& slot);
    Page* page_of(std::size_t index);

    std::atomic<Page*> pages_[pages] = {};
    std::atomic<std::size_t> made_{0};
    std::atomic<std::uint64_t> notes_{0};
};

}  // namespace route
