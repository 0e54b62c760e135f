#include "app/config/nearest_word.hpp"

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace route {
namespace {

std::string normal(std::string_view word)
{
    std::string result{word};
    for (char& c : result) {
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
        if (c == '-')
            c = '_';
    }
    return result;
}

/// The optimal string alignment distance.
std::size_t distance_of(std::string_view a, std::string_view b)
{
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::vector<std::size_t> row(b.size() + 1, i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            row[j + 1] = std::min({row[j] + 1, last[j + 1] + 1, last[j] + (a[i] == b[j] ? 0 : 1)});
            if (i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j])
                row[j + 1] = std::min(row[j + 1], before[j - 1] + 1);
        }
        before = std::exchange(last, std::move(row));
    }
    return last.back();
}

/// More mistakes than this, and another word was meant.
std::size_t most_mistakes(std::size_t length)
{
    constexpr std::size_t short_word = 6;
    return length < short_word ? 1 : std::max<std::size_t>(2, length / 3);
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b)
{
    return distance_of(normal(a), normal(b));
}

std::optional<std::string> nearest_word(std::string_view word, std::span<const std::string> known,
                                        std::span<const Synonym> synonyms)
{
    constexpr std::size_t longest = 64;  // of the words that are known; the work grows with the square
    const auto wanted = normal(word);
    if (wanted.empty() || wanted.size() > longest)
        return std::nullopt;
    for (const auto& synonym : synonyms)
        if (normal(synonym.word) == wanted &&
            std::find(known.begin(), known.end(), synonym.meant) != known.end())
            return std::string{synonym.meant};
    const std::string* best = nullptr;
    std::size_t best_distance = most_mistakes(wanted.size()) + 1;
    for (const auto& each : known) {
        const auto candidate = normal(each);
        // A word that is begun is as near as one with a single mistake.
        const bool begun = wanted.size() > 1 && candidate.starts_with(wanted);
        const auto distance = begun ? 1 : distance_of(wanted, candidate);
        // Of a short word nothing may be left: "ab" is not "cd".
        if (distance < best_distance && distance < std::min(wanted.size(), candidate.size())) {
            best = &each;
            best_distance = distance;
        }
    }
    return best == nullptr ? std::nullopt : std::optional{*best};
}

}  // namespace route
