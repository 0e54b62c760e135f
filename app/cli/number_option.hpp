#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>

namespace route::cli {

// Options that hold a number, written in decimal digits alone: CLI11's own would read "010" as 8 and, for an
// unsigned one, "-1" as the largest there is. Anything else is wrong usage that says what was expected.

struct NumberRange
{
    std::int64_t least = 0;
    std::int64_t most = std::numeric_limits<std::int64_t>::max();
};

CLI::Option* add_number(CLI::App& command, const char* name, std::function<void(std::int64_t)> assign,
                        NumberRange range, const char* description);

/// Seconds, 0 or more, fractions allowed.
CLI::Option* add_seconds(CLI::App& command, const char* name, std::function<void(double)> assign,
                         const char* description);

/// The same, or '' for none.
CLI::Option* add_number_or_none(CLI::App& command, const char* name,
                                std::function<void(std::optional<std::int64_t>)> assign, NumberRange range,
                                const char* description);
CLI::Option* add_seconds_or_none(CLI::App& command, const char* name,
                                 std::function<void(std::optional<double>)> assign, const char* description);

/// `--limit`, 0 for all.
void add_limit(CLI::App& command, std::size_t& limit, const char* description);

}  // namespace route::cli
