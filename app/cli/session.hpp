#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "app/config/config_file.hpp"
#include "storage/any_repository.hpp"

namespace route::cli {

/// Ends a command: the reasons, one line each, go to standard error. Caught in run().
class CommandError : public std::runtime_error
{
  public:
    CommandError(int exit_code, const std::string& message) : CommandError{exit_code, std::vector{message}} {}
    CommandError(int exit_code, std::vector<std::string> reasons)
        : std::runtime_error{reasons.front()}, exit_code_{exit_code}, reasons_{std::move(reasons)}
    {
    }
    int exit_code() const { return exit_code_; }
    const std::vector<std::string>& reasons() const { return reasons_; }

  private:
    int exit_code_;
    std::vector<std::string> reasons_;
};

[[noreturn]] void fail(const std::string& message);         ///< exit code 1
[[noreturn]] void fail(const ConfigErrors& errors);         ///< the same, for each of them
[[noreturn]] void wrong_usage(const std::string& message);  ///< exit code 2

/// What a command works with. Configuration and database are opened when first asked for; what goes wrong
/// ends the command.
class Session
{
  public:
    Session(std::istream& input, std::ostream& output, std::ostream& errors)
        : in{input}, out{output}, err{errors}
    {
    }

    std::istream& in;
    std::ostream& out;
    std::ostream& err;
    ServeOptions options;  ///< of every command; filled by the command line

    const Configuration& configuration();
    bool has_database();
    storage::AnyRepository& database();

    /// The same for commands that may be the first to be used: makes the file and the tables where there are
    /// none. (Others must not: a database that is being restored is empty for a while, and an empty one where
    /// a command was run by mistake hides the mistake.)
    storage::AnyRepository& database_to_begin();

    /// One line on standard error that does not end the command.
    void warn(const std::string& message);

    /// A secret from standard input, one trailing newline dropped.
    std::string read_secret();

  private:
    storage::AnyRepository& open(bool make);

    std::optional<Configuration> configuration_;
    std::unique_ptr<storage::AnyRepository> database_;
};

}  // namespace route::cli
