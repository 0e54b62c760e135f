#pragma once

#include <toml++/toml.h>

#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "app/config/config_file.hpp"

namespace route {

/// The file being read: collects which keys are known, where those that are there stand, and what is wrong
/// with the file.
class ConfigReader
{
  public:
    ConfigReader(std::string file, std::filesystem::path directory)
        : file_{std::move(file)}, directory_{std::move(directory)}
    {
    }

    /// Notes what is wrong. Of one place, only the first.
    void refuse(const std::string& key, std::size_t line, std::string problem);

    /// All that was refused so far, by line.
    ConfigErrors errors() const;
    std::size_t refused() const { return errors_.size(); }
    const std::string& file() const { return file_; }

    /// `path` made absolute, "" left alone; any path is when there is no directory.
    std::string absolute(const std::string& path) const;

    /// The same of what follows `file:`; anything else comes back unchanged.
    std::string absolute_reference(const std::string& secret) const;

    void know(const std::string& key) { known_.insert(key); }
    void found(const std::string& key, std::size_t line) { lines_.emplace(key, line); }

    /// Refuses the keys of `table` that nothing asked for. `name` is the table's own, "" for the whole file.
    void refuse_unknown(const toml::table& table, const std::string& name);

    const std::map<std::string, std::size_t>& lines() const { return lines_; }

  private:
    void add(ConfigError error);
    std::string nearest(const std::string& key) const;

    std::string file_;
    std::filesystem::path directory_;
    std::set<std::string> known_;
    std::map<std::string, std::size_t> lines_;
    ConfigErrors errors_;
    std::set<std::pair<std::size_t, std::string>> refused_;
};

}  // namespace route
