#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace route {

/// "1 record", "2 records": how many there are of a `thing` whose plural takes an s.
inline std::string counted(std::uint64_t number, std::string_view thing)
{
    auto text = std::to_string(number);
    text += ' ';
    text += thing;
    if (number != 1)
        text += 's';
    return text;
}

}  // namespace route
