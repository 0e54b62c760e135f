#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace route::cli {

/// What the words of a command line name.
struct NamedCommand
{
    const CLI::App* app = nullptr;  ///< the last command or group of commands that is there
    std::string unknown;            ///< the command or option after it that is not; "" when there is none
};

/// Follows `arguments` from the program to the command they name. Options of a command, and what it works on,
/// are not looked at: parsing them is for the library.
NamedCommand named_command(const CLI::App& program, const std::vector<std::string>& arguments);

/// `openai-api-route upstream add`.
std::string path_of(const CLI::App& command);

/// "See: openai-api-route upstream add --help", which ends each message about wrong usage.
std::string pointer_to_help(const CLI::App& command);

/// Why `word` is no command of `group`, with the nearest that is.
std::string unknown_command(const CLI::App& group, const std::string& word);

/// Why `argument` is no option of `command`, or one argument too many.
std::string unexpected_argument(const CLI::App& command, const std::string& argument);

/// Whether the command itself, not a group above it, has this option: `--name`, `-name` or `--name=value`.
bool has_option(const CLI::App& command, const std::string& argument);

/// An ID that is not there: it may be a key typed in the wrong place.
std::string shown_id(const std::string& id);

/// "; did you mean x?", or "; there are: x, y" where there are few, for a message about `id`; "" when there
/// is none.
std::string those_there(const std::string& id, const std::vector<std::string>& names);

/// The names of the commands in a group, those that help lists.
std::vector<std::string> command_names(const CLI::App& group);

}  // namespace route::cli
