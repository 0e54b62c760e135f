#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/settings.hpp"

namespace route {

/// Why a configuration was refused. Holds no value of the file: it may be a secret.
struct ConfigError
{
    std::string file;      ///< "" for the command line
    std::size_t line = 0;  ///< 0: of no line
    std::string key;       ///< "server.listen"; "" for a file that is no TOML
    std::string problem;   ///< "expected …", "unknown key", what TOML's parser said
    std::string nearest;   ///< the known key an unknown one resembles
};

/// All that is wrong with a file, by line; never empty.
using ConfigErrors = std::vector<ConfigError>;

/// One line, fit to be shown: `FILE:LINE: KEY: PROBLEM`.
std::string describe(const ConfigError& error);

/// One line each.
std::vector<std::string> describe(const ConfigErrors& errors);

template <class T>
using ConfigResult = boost::system::result<T, ConfigError>;

template <class T>
using ReadResult = boost::system::result<T, ConfigErrors>;

[[noreturn]] inline void throw_exception_from_error(const ConfigError& error, const boost::source_location&)
{
    throw std::invalid_argument{describe(error)};
}

[[noreturn]] inline void throw_exception_from_error(const ConfigErrors& errors, const boost::source_location&)
{
    throw std::invalid_argument{describe(errors.front())};
}

/// What the command line of `serve` says about the configuration; other commands use the first two.
struct ServeOptions
{
    std::optional<std::string> config;    ///< none: default_config_file, if it is there
    std::optional<std::string> database;  ///< a path or a URL of PostgreSQL: wins over `[storage]`
    std::optional<std::string> listen;    ///< wins over `server.listen`
    bool noauth = false;                  ///< wins over `auth.enabled`
    bool handover = false;                ///< wins over `server.handover`
};

constexpr std::string_view default_config_file = "openai-api-route.toml";

/// The settings and where they came from.
struct Configuration
{
    Settings settings;
    std::string file;  ///< absolute; "" when there was none
    /// Of the keys the file holds, and of the entries of `auth.keys[0]` and `upstreams[0]`.
    std::map<std::string, std::size_t> lines;
};

/// Reads, applies the command line, and checks what concerns several keys. Paths become absolute: those of
/// the file relative to the file, defaults without a file and those of the command line relative to the
/// working directory. References to secrets are not resolved.
ReadResult<Configuration> load_configuration(const ServeOptions& options);

/// The same for text that is at hand; `directory` is what relative paths are relative to.
ReadResult<Configuration> parse_configuration(std::string_view text, const std::string& file,
                                              const std::filesystem::path& directory);

/// What is wrong between several keys; empty when nothing is.
std::vector<ConfigError> check_configuration(const Configuration& configuration);

/// The keys that changed and take effect only when the process is started anew.
std::vector<std::string> restart_needed(const Settings& old, const Settings& now);

}  // namespace route
