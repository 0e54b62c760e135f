#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace route {

/// SHA-256 of the id of something that an upstream made: what is remembered of it.
using IdHash = std::array<unsigned char, 32>;
using IdHashes = std::vector<IdHash>;

IdHash hash_id(std::string_view id);

/// Which upstream made the thing with this id: its name.
struct MadeBy
{
    IdHash id{};
    std::string upstream_name;

    bool operator==(const MadeBy&) const = default;
};

}  // namespace route
