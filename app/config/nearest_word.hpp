#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace route {

/// A word people use, and the known one that means the same.
struct Synonym
{
    std::string_view word;
    std::string_view meant;
};

/// How many letters were left out, added, changed or exchanged with their neighbour between two words. Upper
/// and lower case are the same, as are '-' and '_'.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The known word that somebody meant who wrote `word`, one nobody knows: a synonym, what it begins, or what
/// is spelt nearly so. None when nothing is near enough to be meant.
std::optional<std::string> nearest_word(std::string_view word, std::span<const std::string> known,
                                        std::span<const Synonym> synonyms = {});

}  // namespace route
