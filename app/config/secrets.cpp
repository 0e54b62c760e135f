#include "app/config/secrets.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "app/config/config_values.hpp"
#include "core/text.hpp"

namespace route {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view env_prefix = "env:";
constexpr std::string_view file_prefix = "file:";
constexpr std::size_t longest_secret = 64u << 10;

/// Closes a file descriptor.
class Descriptor
{
  public:
    explicit Descriptor(int fd) : fd_{fd} {}
    ~Descriptor()
    {
        if (fd_ >= 0)
            ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

/// Invalid could be made of a string, too: the result has to be told which it is.
Result<std::string> value_of(std::string text)
{
    return Result<std::string>{boost::system::in_place_value, std::move(text)};
}

std::string shown(std::string_view text)
{
    return escape_for_log(text);
}

Result<std::string> checked(std::string value, std::string_view source)
{
    if (value.empty())
        return Invalid{fmt::format("{} is empty", source)};
    if (has_control_characters(value))
        return Invalid{fmt::format("{} holds a control character", source)};
    return value_of(std::move(value));
}

Result<std::string> read_variable(const std::string& name)
{
    const char* value = std::getenv(name.c_str());
    if (value == nullptr)
        return Invalid{fmt::format("environment variable {} is not set", shown(name))};
    return checked(value, fmt::format("environment variable {}", shown(name)));
}

void drop_newline(std::string& text)
{
    if (text.ends_with('\n'))
        text.pop_back();
    if (text.ends_with('\r'))
        text.pop_back();
}

Result<std::string> read_file(const fs::path& path, bool regular_only)
{
    const auto name = shown(path.native());
    // A FIFO nobody writes to must not hold the caller up.
    const int flags = O_RDONLY | O_CLOEXEC | (regular_only ? O_NONBLOCK | O_NOFOLLOW : 0);
    const Descriptor file{::open(path.c_str(), flags)};
    const auto failed = [&] {
        return Invalid{fmt::format("file {}: {}", name, std::generic_category().message(errno))};
    };
    if (file.get() < 0)
        return failed();
    struct stat status = {};
    if (::fstat(file.get(), &status) != 0)
        return failed();
    if (regular_only && !S_ISREG(status.st_mode))
        return Invalid{fmt::format("file {} is not a regular file", name)};
    std::string value;
    std::array<char, 4096> piece{};
    while (value.size() <= longest_secret) {
        const auto count = ::read(file.get(), piece.data(), piece.size());
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return failed();
        if (count == 0)
            break;
        value.append(piece.data(), static_cast<std::size_t>(count));
    }
    if (value.size() > longest_secret)
        return Invalid{fmt::format("file {} is larger than 64KiB", name)};
    drop_newline(value);
    return checked(std::move(value), fmt::format("file {}", name));
}

bool is_under(const fs::path& path, const fs::path& directory)
{
    const auto [end, rest] = std::mismatch(directory.begin(), directory.end(), path.begin(), path.end());
    return end == directory.end() && rest != path.end();
}

Result<std::string> read_file_under(const std::string& directory, const std::string& name)
{
    if (directory.empty())
        return Invalid{fmt::format(
            "file {} may not be read: set secrets.directory to the folder that holds it", shown(name))};
    std::error_code error;
    const auto allowed = fs::canonical(directory, error);
    if (error)
        return Invalid{fmt::format("secrets.directory {}: {}", shown(directory), error.message())};
    // A relative name is relative to the directory: operator/ leaves an absolute one alone.
    const auto path = fs::weakly_canonical(allowed / name, error);
    if (error)
        return Invalid{fmt::format("file {}: {}", shown(name), error.message())};
    if (!is_under(path, allowed))
        return Invalid{
            fmt::format("file {} is not under secrets.directory {}: move it there or change the setting",
                        shown(name), shown(directory))};
    return read_file(path, true);
}

Result<std::string> read_named_variable(const std::vector<std::string>& named, const std::string& name)
{
    // The first start stores a reference to that one itself.
    if (name != api_key_variable && std::find(named.begin(), named.end(), name) == named.end())
        return Invalid{
            fmt::format("environment variable {} may not be read: add it to secrets.env", shown(name))};
    return read_variable(name);
}

std::string without(std::string_view prefix, std::string_view reference)
{
    return std::string{reference.substr(prefix.size())};
}

template <class ReadVariable, class ReadFile>
Result<std::string> resolve(std::string_view reference, ReadVariable read_variable_named,
                            ReadFile read_file_named)
{
    if (!is_secret_reference(reference))
        return value_of(std::string{reference});
    if (has_control_characters(reference))
        return Invalid{"the reference holds a control character"};
    if (reference.starts_with(env_prefix))
        return read_variable_named(without(env_prefix, reference));
    return read_file_named(without(file_prefix, reference));
}

}  // namespace

bool is_secret_reference(std::string_view text)
{
    return text.starts_with(env_prefix) || text.starts_with(file_prefix);
}

SecretResolver unrestricted_secrets()
{
    return [](std::string_view reference) {
        return resolve(reference, read_variable,
                       [](const std::string& path) { return read_file(path, false); });
    };
}

SecretResolver unresolved_secrets()
{
    return [](std::string_view reference) {
        const auto made_up = [](const std::string&) -> Result<std::string> {
            return value_of(std::string{direct});
        };
        return resolve(reference, made_up, made_up);
    };
}

SecretResolver restricted_secrets(const SecretSettings& settings)
{
    return [settings](std::string_view reference) {
        return resolve(
            reference, [&](const std::string& name) { return read_named_variable(settings.env, name); },
            [&](const std::string& name) { return read_file_under(settings.directory, name); });
    };
}

}  // namespace route
