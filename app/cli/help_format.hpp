#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace route::cli {

/// How `--help` looks: what a command does, all its options and those of every command, in lines of 80
/// columns at most.
class HelpFormat : public CLI::FormatterBase
{
  public:
    std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override;
};

}  // namespace route::cli
