#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/config/config_file.hpp"
#include "storage/sqlite/sqlite_repository.hpp"
#include "tests/app/temporary_directory.hpp"

namespace route::tests {

struct Outcome
{
    int code = -1;
    std::string out;
    std::string err;
};

/// The command line over a database and a configuration file in a directory of its own.
class CommandLine
{
  public:
    CommandLine();

    /// Runs with `--config` and `--database` in front.
    Outcome operator()(std::vector<std::string> arguments, const std::string& input = "");

    /// Runs exactly this.
    Outcome run(const std::vector<std::string>& arguments, const std::string& input = "");

    /// The output of a command that has to succeed without a word on standard error.
    std::string ok(std::vector<std::string> arguments, const std::string& input = "");

    /// Writes the configuration file.
    void configure(const std::string& text) { directory.write("openai-api-route.toml", text); }

    std::string config_path() const { return (directory / "openai-api-route.toml").string(); }
    std::string database_path() const { return (directory / "db.sqlite").string(); }
    /// Made when it is not there.
    storage::SqliteRepository database() const;

    TemporaryDirectory directory;
    std::optional<ServeOptions> served;  ///< what `serve` was called with
    int serve_code = 0;

  private:
    Variable no_key_{"OPENAI_API_KEY", nullptr};
};

}  // namespace route::tests
