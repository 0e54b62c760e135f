#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace route::tests {

/// A directory that goes with its object.
class TemporaryDirectory
{
  public:
    TemporaryDirectory()
    {
        std::string name = (std::filesystem::temp_directory_path() / "app-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error{"no temporary directory"};
        path_ = std::filesystem::canonical(name);
    }
    ~TemporaryDirectory()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
    const std::filesystem::path& path() const { return path_; }

    /// Writes a file, gives its path.
    std::string write(const std::string& name, const std::string& text) const
    {
        std::ofstream{path_ / name, std::ios::binary} << text;
        return (path_ / name).string();
    }

  private:
    std::filesystem::path path_;
};

/// An environment variable that is as it was afterwards.
class Variable
{
  public:
    Variable(const char* name, const char* value) : name_{name}
    {
        if (const char* old = ::getenv(name)) {
            had_value_ = true;
            old_ = old;
        }
        if (value != nullptr)
            ::setenv(name, value, 1);
        else
            ::unsetenv(name);
    }
    ~Variable()
    {
        if (had_value_)
            ::setenv(name_, old_.c_str(), 1);
        else
            ::unsetenv(name_);
    }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;

  private:
    const char* name_;
    bool had_value_ = false;
    std::string old_;
};

}  // namespace route::tests
