#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "storage/repository.hpp"

namespace route::cli {

/// The filters of the record commands, as they are written.
struct RecordOptions
{
    std::string since;
    std::string until;
    std::string model;
    std::string upstream;
    std::string key;
    unsigned status = 0;
    std::string outcome;
    std::string grep;
    std::size_t limit = 0;  ///< 0: no limit
    bool json = false;
    bool bodies = false;  ///< with `json`
};

/// Declares the filters; `--limit` and `--json` are the commands' own.
void declare_filters(CLI::App& command, RecordOptions& options);

/// Declares `--bodies`.
void declare_bodies(CLI::App& command, RecordOptions& options);

/// Ends the command with wrong usage when a time is unreadable.
storage::RecordFilter record_filter(const RecordOptions& options);

/// The time an option means, relative to the system's clock.
SystemTime time_of_option(const char* option, const std::string& text);

}  // namespace route::cli
