#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace route::cli {

/// A JSON text laid out over lines, two blanks a level, its strings and numbers as they are written; none
/// when it is no JSON, or nested deeper than anybody reads.
std::optional<std::string> pretty_json(std::string_view text);

/// JSON, whole or its beginning, with names, strings and other values in colours of a terminal.
std::string coloured_json(std::string_view text);

}  // namespace route::cli
