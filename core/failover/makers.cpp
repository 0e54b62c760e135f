#include "core/failover/makers.hpp"

#include <cstring>
#include <new>

namespace route {

namespace {

struct HashWords
{
    explicit HashWords(const IdHash& id)
    {
        std::memcpy(&first, id.data(), sizeof(first));
        std::memcpy(&second, id.data() + sizeof(first), sizeof(second));
        std::memcpy(&place, id.data() + sizeof(first) + sizeof(second), sizeof(place));
    }
    std::uint64_t first;
    std::uint64_t second;
    std::uint64_t place;
};

}  // namespace

std::uint64_t maker_key(std::string_view upstream_name)
{
    const auto hash = hash_id(upstream_name);
    return HashWords{hash}.first | 1;
}

Makers::~Makers()
{
    for (auto& page : pages_)
        delete page.load(std::memory_order_relaxed);
}

std::optional<Makers::Content> Makers::read(const Slot& slot)
{
    Content content;
    content.version = slot.version.load(std::memory_order_acquire);
    // Acquired one by one, so that the version is read again behind them.
    content.first = slot.first.load(std::memory_order_acquire);
    content.second = slot.second.load(std::memory_order_acquire);
    content.maker = slot.maker.load(std::memory_order_acquire);
    const bool whole =
        content.version % 2 == 0 && slot.version.load(std::memory_order_relaxed) == content.version;
    return whole ? std::optional{content} : std::nullopt;
}

Makers::Page* Makers::page_of(std::size_t index)
{
    auto* page = pages_[index].load(std::memory_order_acquire);
    if (page != nullptr)
        return page;
    auto* const fresh = new (std::nothrow) Page;
    if (fresh == nullptr)
        return nullptr;
    if (!pages_[index].compare_exchange_strong(page, fresh, std::memory_order_acq_rel)) {
        delete fresh;  // another thread was faster
        return page;
    }
    made_.fetch_add(1, std::memory_order_relaxed);
    return fresh;
}

void Makers::note(const IdHash& id, std::uint64_t maker) noexcept
{
    const HashWords words{id};
    auto* const page = page_of(words.place % pages);
    if (page == nullptr)
        return;
    auto& set = page->slots[words.place / pages % sets_a_page];
    Slot* chosen = nullptr;
    std::uint64_t version = 0;
    for (auto& slot : set) {
        const auto content = read(slot);
        if (!content)
            continue;
        const bool same =
            content->maker != 0 && content->first == words.first && content->second == words.second;
        if (same && content->maker == maker)
            return;
        if (same || chosen == nullptr || content->version < version) {
            chosen = &slot;
            version = content->version;
        }
        if (same)
            break;
    }
    if (chosen == nullptr)
        return;
    const auto next = 2 * (notes_.fetch_add(1, std::memory_order_relaxed) + 1);
    if (!chosen->version.compare_exchange_strong(version, next - 1, std::memory_order_acquire,
                                                 std::memory_order_relaxed))
        return;
    chosen->first.store(words.first, std::memory_order_release);
    chosen->second.store(words.second, std::memory_order_release);
    chosen->maker.store(maker, std::memory_order_release);
    chosen->version.store(next, std::memory_order_release);
}

std::optional<std::uint64_t> Makers::find(const IdHash& id) const noexcept
{
    const HashWords words{id};
    const auto* const page = pages_[words.place % pages].load(std::memory_order_acquire);
    if (page == nullptr)
        return std::nullopt;
    std::optional<Content> newest;
    for (const auto& slot : page->slots[words.place / pages % sets_a_page]) {
        const auto content = read(slot);
        const bool found = content && content->maker != 0 && content->first == words.first &&
                           content->second == words.second;
        if (found && (!newest || newest->version < content->version))
            newest = content;
    }
    return newest ? std::optional{newest->maker} : std::nullopt;
}

std::size_t Makers::bytes() const
{
    return sizeof(*this) + made_.load(std::memory_order_relaxed) * sizeof(Page);
}

}  // namespace route
