#include "tests/fuzz/input.hpp"

#include <cstdlib>
#include <cstring>
#include <iostream>

namespace route::fuzz {

unsigned Input::choose()
{
    unsigned chosen = 0;
    for (int i = 0; i < 2 && !bytes_.empty(); ++i) {
        chosen = chosen << 8 | static_cast<unsigned char>(bytes_.back());
        bytes_.remove_suffix(1);
    }
    return chosen;
}

std::string_view Input::take_line()
{
    const auto end = std::min(bytes_.find('\n'), bytes_.size());
    auto line = bytes_.substr(0, end);
    bytes_.remove_prefix(std::min(end + 1, bytes_.size()));
    if (line.ends_with('\r'))
        line.remove_suffix(1);
    return line;
}

Bytes::Bytes(std::string_view text, std::size_t padding, char fill)
    : size_{text.size()}, bytes_{std::make_unique<char[]>(text.size() + padding)}
{
    if (!text.empty())
        std::memcpy(bytes_.get(), text.data(), text.size());
    std::memset(bytes_.get() + size_, fill, padding);
}

void require(bool holds, std::string_view property)
{
    if (holds)
        return;
    std::cerr << "does not hold: " << property << std::endl;
    std::abort();
}

void require_equal(std::string_view found, std::string_view expected, std::string_view property)
{
    if (found == expected)
        return;
    std::cerr << "found:    " << found << "\nexpected: " << expected << '\n';
    require(false, property);
}

}  // namespace route::fuzz
