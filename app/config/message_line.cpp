#include "app/config/message_line.hpp"

#include "core/text.hpp"

namespace route {

std::string message_line(std::string_view text, std::size_t limit)
{
    // Cut here: escaped, a backslash counts twice.
    constexpr std::string_view ellipsis = "…";
    std::string cut{text.substr(0, limit)};
    if (text.size() > limit)
        cut = std::string{cut_utf8(text, limit - ellipsis.size())} + std::string{ellipsis};
    std::string line;
    bool escaped = false;  // by the backslash before
    for (const char c : escape_for_log(cut, 4 * cut.size() + ellipsis.size())) {
        if (c != '\\' || !escaped)
            line.push_back(c);
        escaped = c == '\\' && !escaped;
    }
    return line;
}

}  // namespace route
