#include "core/secret_eraser.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/escapes.hpp"
#include "core/text.hpp"

namespace route {
namespace {

constexpr std::size_t block = 3;
constexpr std::size_t longest_window = 24;

std::uint16_t hash_of(const char* at)
{
    std::uint32_t bytes = 0;
    std::memcpy(&bytes, at, block);
    return static_cast<std::uint16_t>((bytes * 0x9E3779B1u) >> 20);
}

struct Range
{
    std::size_t begin;
    std::size_t end;
};

using Ranges = std::vector<Range>;

std::string without_ranges(std::string_view text, Ranges& ranges)
{
    std::sort(ranges.begin(), ranges.end(), [](Range a, Range b) { return a.begin < b.begin; });
    std::string rest;
    rest.reserve(text.size());
    std::size_t at = 0;
    for (const auto& range : ranges) {
        if (range.end <= at)
            continue;
        if (range.begin >= at) {
            rest.append(text.substr(at, range.begin - at));
            rest.append(ellipsis);
        }
        at = range.end;
    }
    rest.append(text.substr(at));
    return rest;
}

}  // namespace

/// One text, searched for the secrets of several sets in all its layers.
class SecretSearch
{
  public:
    SecretSearch(std::span<const SecretEraser* const> erasers, bool cut) : erasers_{erasers}, cut_{cut} {}

    /// Where they stand, in no order.
    Ranges run(std::string_view text)
    {
        look(text, nullptr);
        // The escape that the cut has split says nothing any more.
        const auto whole = cut_ ? without_split_escape(text) : text;
        if (whole.size() < text.size())
            look(whole, nullptr);
        // Where what was decoded comes from is worked out only when there is something to be erased.
        const auto literal = ranges_.size();
        const auto look_below = [this](std::string_view plain, const std::vector<std::size_t>* origins) {
            look(plain, origins);
        };
        each_layer(whole, false, look_below);
        if (ranges_.size() > literal) {
            ranges_.resize(literal);
            each_layer(whole, true, look_below);
        }
        for (auto& range : ranges_)
            if (range.end == whole.size())
                range.end = text.size();
        return std::move(ranges_);
    }

  private:
    /// `origins` says where the bytes of `text` come from; null: they are what they are.
    void look(std::string_view text, const std::vector<std::size_t>* origins)
    {
        first_ = ranges_.size();
        for (const auto* eraser : erasers_) {
            find(*eraser, text);
            if (cut_)
                find_part(*eraser, text);
        }
        if (origins != nullptr)
            for (auto i = first_; i < ranges_.size(); ++i)
                ranges_[i] = {(*origins)[ranges_[i].begin], (*origins)[ranges_[i].end]};
    }

    void find(const SecretEraser& eraser, std::string_view text)
    {
        if (eraser.patterns_.empty())
            return;
        std::size_t covered = 0;
        for (auto end = eraser.window_; end <= text.size();) {
            const auto hash = hash_of(text.data() + end - block);
            if (const auto shift = eraser.shifts_[hash]; shift > 0) {
                end += shift;
                continue;
            }
            const auto at = end - eraser.window_;
            for (const auto& pattern : eraser.patterns_)
                if (pattern.end == hash)
                    covered = std::max(covered, match(pattern.text, text, at, covered));
            ++end;
        }
    }

    /// The end of what stands at `at` of the secret, or 0. What earlier ones cover is not compared again:
    /// repetitions would take the square of their length.
    std::size_t match(std::string_view secret, std::string_view text, std::size_t at, std::size_t covered)
    {
        const auto telling = std::min(secret.size(), SecretEraser::telling);
        if (text.size() - at < telling || std::memcmp(text.data() + at, secret.data(), telling) != 0)
            return 0;
        auto size = std::max(telling, std::max(covered, at) - at);
        while (size < secret.size() && at + size < text.size() && text[at + size] == secret[size])
            ++size;
        const auto end = at + std::min(size, secret.size());
        if (ranges_.size() > first_ && at >= ranges_.back().begin && at < ranges_.back().end)
            ranges_.back().end = std::max(ranges_.back().end, end);
        else
            ranges_.push_back({at, end});
        return end;
    }

    /// The beginning of a secret at the end of the text.
    void find_part(const SecretEraser& eraser, std::string_view text)
    {
        for (const auto& pattern : eraser.patterns_) {
            const auto secret = std::string_view{pattern.text}.substr(0, SecretEraser::telling);
            if (const auto part = part_at_end(secret, text); part > 0)
                ranges_.push_back({text.size() - part, text.size()});
        }
    }

    static std::size_t part_at_end(std::string_view secret, std::string_view text)
    {
        for (auto size = std::min(secret.size() - 1, text.size()); size >= SecretEraser::shortest_part;
             --size)
            if (text.ends_with(secret.substr(0, size)))
                return size;
        return 0;
    }

    std::span<const SecretEraser* const> erasers_;
    bool cut_;
    Ranges ranges_;
    std::size_t first_ = 0;  ///< of the layer that is looked at
};

void SecretEraser::add(std::string_view secret)
{
    if (secret.size() < shortest)
        return;
    add_pattern(std::string{secret});
    // Decoded, a text shows a secret decoded, too: `%2B` in it means what it says.
    std::string below;
    each_layer(secret, false,
               [&](std::string_view plain, const std::vector<std::size_t>*) { below = plain; });
    if (below.size() >= shortest)
        add_pattern(std::move(below));
}

void SecretEraser::add_pattern(std::string text)
{
    const auto same = [&](const Pattern& pattern) { return pattern.text == text; };
    if (std::any_of(patterns_.begin(), patterns_.end(), same))
        return;
    const auto window = std::min(text.size(), longest_window);
    patterns_.push_back({std::move(text)});
    if (window_ != 0 && window >= window_) {
        note(patterns_.back());
        return;
    }
    window_ = window;
    shifts_.fill(static_cast<std::uint8_t>(window_ - block + 1));
    for (auto& pattern : patterns_)
        note(pattern);
}

void SecretEraser::note(Pattern& pattern)
{
    for (std::size_t at = 0; at + block <= window_; ++at) {
        auto& shift = shifts_[hash_of(pattern.text.data() + at)];
        shift = std::min(shift, static_cast<std::uint8_t>(window_ - block - at));
    }
    pattern.end = hash_of(pattern.text.data() + window_ - block);
}

bool SecretEraser::erase(std::string& text) const
{
    const std::array erasers{this};
    return erase_secrets(text, erasers, false);
}

bool SecretEraser::erase_from_cut(std::string& text) const
{
    const std::array erasers{this};
    return erase_secrets(text, erasers, true);
}

bool erase_secrets(std::string& text, std::span<const SecretEraser* const> erasers, bool cut)
{
    const auto shortest = cut ? SecretEraser::shortest_part : SecretEraser::shortest;
    const bool none = std::all_of(erasers.begin(), erasers.end(),
                                  [](const SecretEraser* eraser) { return eraser->empty(); });
    if (none || text.size() < shortest)
        return false;
    auto ranges = SecretSearch{erasers, cut}.run(text);
    if (ranges.empty())
        return false;
    text = without_ranges(text, ranges);
    return true;
}

}  // namespace route
