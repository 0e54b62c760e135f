#include "app/shell_text.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace route {
namespace {

bool controls_terminal(char c)
{
    return (c >= 0 && c < ' ' && c != '\n' && c != '\t') || c == 0x7f;
}

}  // namespace

std::string shell_quoted(std::string_view text)
{
    if (std::any_of(text.begin(), text.end(), controls_terminal)) {
        std::string word{"$'"};
        for (const char c : text)
            if (controls_terminal(c))
                word += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
            else
                word += c == '\'' || c == '\\' ? std::string{'\\', c} : std::string(1, c);
        return word + "'";
    }
    std::string word{"'"};
    for (const char c : text)
        if (c == '\'')
            word += "'\\''";
        else
            word += c;
    return word + "'";
}

}  // namespace route
