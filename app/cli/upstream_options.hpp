#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "app/cli/session.hpp"
#include "core/failover/upstream.hpp"

namespace route::cli {

/// The options of `upstream add` and `upstream set`; what was not named is not there.
struct UpstreamOptions
{
    std::optional<std::string> sk;
    std::optional<std::string> endpoint;
    std::optional<std::string> name;
    std::optional<std::string> proxy;
    std::optional<int> priority;
    std::optional<int> weight;
    std::optional<double> timeout;
    std::optional<double> stream_timeout;
    std::optional<std::vector<std::string>> allow;
    std::optional<std::vector<std::string>> deny;
    std::optional<std::vector<std::string>> rename;
    // '' for the general one.
    std::optional<std::optional<int>> retries;
    std::optional<std::optional<double>> first_content_timeout;
    std::optional<std::optional<double>> hedge_after;
    std::optional<int> max_in_flight;
    std::optional<std::vector<std::string>> headers;
    std::optional<std::vector<std::string>> set;
    std::optional<std::vector<std::string>> unset;
    std::optional<std::string> key_header;
    bool disabled = false;
};

enum class OptionsFor
{
    add,
    set
};

/// Declares them all; gives `--sk`. Only `add` has defaults.
CLI::Option* declare(CLI::App& command, UpstreamOptions& options, OptionsFor command_kind);

/// Writes what was named into `definition`, reading `--sk -` from standard input.
void apply(Session& session, const UpstreamOptions& options, UpstreamDefinition& definition);

}  // namespace route::cli
