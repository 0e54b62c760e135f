#pragma once

#include <string>
#include <string_view>

namespace route {

/// As one word of a POSIX shell; where it holds what would control a terminal, of bash and zsh (`$'…'`).
std::string shell_quoted(std::string_view text);

}  // namespace route
