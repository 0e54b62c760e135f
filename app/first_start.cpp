#include "app/first_start.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "app/client_key_maker.hpp"
#include "app/config/secrets.hpp"
#include "app/log/log_setup.hpp"
#include "app/upstream_sources.hpp"
#include "core/client_key.hpp"
#include "core/text.hpp"

namespace route {

namespace {

/// A file of its owner's with one line, under another name until it is kept; gone if it is not.
class KeyFile
{
  public:
    /// Replaces what is there once it is kept.
    static Result<KeyFile> make(const std::filesystem::path& path, const std::string& key)
    {
        auto temporary = path.string() + ".XXXXXX";
        const int file = ::mkostemp(temporary.data(), O_CLOEXEC);  // mode 0600
        if (file < 0)
            return refusal(path);
        KeyFile made{path, std::move(temporary)};
        const auto line = key + "\n";
        const bool written = ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                             ::fsync(file) == 0;
        const auto refused = refusal(path);
        ::close(file);
        if (!written)
            return refused;
        return made;
    }

    KeyFile(KeyFile&& other) noexcept
        : path_{std::move(other.path_)}, temporary_{std::exchange(other.temporary_, {})}
    {
    }
    KeyFile& operator=(KeyFile&&) = delete;
    ~KeyFile()
    {
        if (!temporary_.empty())
            ::unlink(temporary_.c_str());
    }

    /// Its place, or where it lies instead.
    std::string keep()
    {
        auto temporary = std::exchange(temporary_, {});
        return ::rename(temporary.c_str(), path_.c_str()) == 0 ? path_.string() : temporary;
    }

  private:
    KeyFile(std::filesystem::path path, std::string temporary)
        : path_{std::move(path)}, temporary_{std::move(temporary)}
    {
    }

    static Invalid refusal(const std::filesystem::path& path)
    {
        return Invalid{fmt::format("the first client key cannot be kept in {}: {}",
                                   escape_for_log(path.string()), std::strerror(errno))};
    }

    std::filesystem::path path_;
    std::string temporary_;
};

std::filesystem::path beside_the_database(const StorageSettings& storage)
{
    const std::filesystem::path file = storage.backend == Backend::sqlite ? storage.sqlite : storage.outbox;
    return std::filesystem::absolute(file).parent_path() / "first-key";
}

/// Never by way of the log, which others may read and which is kept: to whoever looks at the terminal, else
/// into a file of its owner's.
Result<void> make_first_key(const StorageSettings& storage, storage::AnyRepository& database)
{
    const auto key = make_client_key();
    if (::isatty(STDERR_FILENO) == 1) {
        if (database.add_first_client_key("first", hash_key(key)))
            say("\nThis is the first start: a client key was made. It is shown only once:\n\n    " + key +
                "\n\n");
        return {};
    }
    auto file = KeyFile::make(beside_the_database(storage), key);
    if (!file)
        return file.error();
    if (database.add_first_client_key("first", hash_key(key)))
        spdlog::info("this is the first start: a client key was made, it is in {}",
                     escape_for_log(file->keep()));
    return {};
}

void make_first_upstream(storage::AnyRepository& database)
{
    const auto definition = upstream_of_environment();
    if (!definition)
        return;
    const auto made = make_upstream(*definition, unrestricted_secrets(), nullptr);
    if (!made) {
        spdlog::warn("OPENAI_API_KEY and OPENAI_BASE_URL make no upstream: {}",
                     escape_for_log(made.error().reason));
        return;
    }
    if (database.add_first_upstream(*definition))
        spdlog::info("no upstream was there: OPENAI_API_KEY of the environment made one, {}, at {}",
                     definition->name, escape_for_log(mask_endpoint(definition->endpoint)));
}

}  // namespace

Result<void> make_what_is_missing(const Settings& settings, storage::OpenedStorage& start)
{
    if (!start.repository || settings.storage.backend == Backend::none)
        return {};
    auto& database = *start.repository;
    if (settings.auth.enabled && settings.auth.keys.empty() && start.known.keys.empty()) {
        if (auto made = make_first_key(settings.storage, database); !made)
            return made;
        start.known.keys = database.client_keys();
    }
    if (settings.upstreams.empty() && !start.ever_had_upstream) {
        make_first_upstream(database);
        start.known.upstreams = database.upstreams();
        start.ever_had_upstream = database.ever_had_upstream();
    }
    return {};
}

}  // namespace route
