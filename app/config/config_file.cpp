#include "app/config/config_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <system_error>

#include "app/config/config_table.hpp"
#include "app/config/config_values.hpp"
#include "app/config/message_line.hpp"
#include "core/text.hpp"

namespace route {
namespace {

namespace fs = std::filesystem;

ConfigError of_command_line(const char* key, std::string problem)
{
    return ConfigError{{}, 0, key, std::move(problem), {}};
}

Settings default_settings(const fs::path& directory)
{
    ConfigReader reader{"", directory};
    return read_settings(reader, toml::table{});
}

ReadResult<Configuration> read_file(const fs::path& path)
{
    const auto name = path.string();
    std::ifstream file{path, std::ios::binary};
    std::string text;
    std::array<char, 4096> piece{};
    while (file.read(piece.data(), piece.size()) || file.gcount() > 0)
        text.append(piece.data(), static_cast<std::size_t>(file.gcount()));
    // A directory opens, and fails only when it is read.
    if (!file.is_open() || file.bad())
        return ConfigErrors{{name, 0, {}, "cannot be read: " + std::generic_category().message(errno), {}}};
    std::error_code error;
    const auto absolute = fs::absolute(path, error);
    auto parsed = parse_configuration(text, name, absolute.parent_path());
    if (parsed.has_value())
        parsed->file = absolute.lexically_normal().string();
    return parsed;
}

ReadResult<Configuration> read_any(const ServeOptions& options)
{
    if (options.config)
        return read_file(*options.config);
    std::error_code error;
    if (fs::exists(default_config_file, error))
        return read_file(default_config_file);
    Configuration configuration;
    configuration.settings = default_settings(fs::current_path());
    return configuration;
}

std::optional<ConfigError> apply(const ServeOptions& options, Settings& settings)
{
    if (options.noauth)
        settings.auth.enabled = false;
    if (options.handover)
        settings.server.handover = true;
    if (options.listen) {
        if (const auto address = parse_listen(*options.listen); address.has_error())
            return of_command_line("--addr", "expected " + address.error().reason);
        settings.server.listen = *options.listen;
    }
    if (!options.database)
        return std::nullopt;
    if (options.database->empty() || has_control_characters(*options.database))
        return of_command_line("--database", "expected a path or postgresql://…");
    auto expected = of_command_line(
        "--database",
        "expected a path or postgresql://…, special characters of user and password percent-encoded");
    if (is_postgres_url(*options.database)) {
        if (!has_encoded_user(*options.database))
            return expected;
        settings.storage.backend = Backend::postgres;
        settings.storage.postgres = *options.database;
    } else {
        auto path = *options.database;
        if (path.starts_with("sqlite:"))
            path.erase(0, sizeof("sqlite:") - 1);
        // Another kind of URL, or libpq's other form, is no file that somebody wants.
        if (path.empty() || path.find("://") != std::string::npos ||
            path.find("dbname=") != std::string::npos || path.find("host=") != std::string::npos)
            return expected;
        settings.storage.backend = Backend::sqlite;
        settings.storage.sqlite = fs::absolute(path).lexically_normal().string();
    }
    return std::nullopt;
}

ConfigError of_file(const Configuration& configuration, const std::string& key, std::string problem)
{
    const auto line = configuration.lines.find(key);
    return ConfigError{configuration.file,
                       line == configuration.lines.end() ? 0 : line->second,
                       key,
                       std::move(problem),
                       {}};
}

/// Of a file that has other errors: what they and the command line leave as it is.
void note_errors_between_keys(ConfigReader& reader, const Configuration& configuration)
{
    const auto refused = reader.errors();
    for (const auto& error : check_configuration(configuration)) {
        const auto table = error.key.substr(0, error.key.find('.') + 1);
        const bool concerned = std::any_of(refused.begin(), refused.end(), [&](const ConfigError& other) {
            return other.key.starts_with(table);
        });
        if (!concerned && table != "storage.")
            reader.refuse(error.key, error.line, error.problem);
    }
}

}  // namespace

std::string describe(const ConfigError& error)
{
    std::string text;
    if (!error.file.empty())
        text += message_line(error.file) + (error.line > 0 ? fmt::format(":{}: ", error.line) : ": ");
    if (!error.key.empty())
        text += message_line(error.key, 256) + ": ";
    text += message_line(error.problem, 512);
    if (!error.nearest.empty())
        text += fmt::format("; did you mean {}?", error.nearest);
    return text;
}

std::vector<std::string> describe(const ConfigErrors& errors)
{
    constexpr std::size_t most = 100;
    std::vector<std::string> lines;
    for (const auto& error : errors) {
        if (lines.size() == most) {
            lines.push_back(fmt::format("{}: {} more", message_line(error.file), errors.size() - most));
            break;
        }
        lines.push_back(describe(error));
    }
    return lines;
}

ReadResult<Configuration> parse_configuration(std::string_view text, const std::string& file,
                                              const fs::path& directory)
{
    ConfigReader reader{file, directory};
    auto settings = parse_toml<Settings>(text, reader, [&](const toml::table& table) {
        auto read = read_settings(reader, table);
        if (reader.refused() > 0)
            note_errors_between_keys(reader, {read, file, reader.lines()});
        return read;
    });
    if (settings.has_error())
        return settings.error();
    return Configuration{*std::move(settings), file, reader.lines()};
}

ReadResult<Configuration> load_configuration(const ServeOptions& options)
{
    auto configuration = read_any(options);
    if (configuration.has_error())
        return configuration;
    if (const auto error = apply(options, configuration->settings))
        return ConfigErrors{*error};
    if (auto errors = check_configuration(*configuration); !errors.empty())
        return errors;
    return configuration;
}

std::vector<ConfigError> check_configuration(const Configuration& configuration)
{
    const auto& settings = configuration.settings;
    std::vector<ConfigError> errors;
    if (settings.server.certificate.empty() != settings.server.private_key.empty()) {
        const bool no_key = settings.server.private_key.empty();
        errors.push_back(
            of_file(configuration, no_key ? "server.certificate" : "server.private_key",
                    no_key ? "expected server.private_key with it" : "expected server.certificate with it"));
    }
    if (settings.storage.backend == Backend::none && settings.auth.enabled && settings.auth.keys.empty())
        errors.push_back(of_file(configuration, "storage.backend",
                                 R"(expected auth.keys with backend "none", or auth.enabled = false)"));
    const auto& notify = settings.notify;
    const bool any =
        !notify.matrix_homeserver.empty() || !notify.matrix_room.empty() || !notify.matrix_token.empty();
    const bool all =
        !notify.matrix_homeserver.empty() && !notify.matrix_room.empty() && !notify.matrix_token.empty();
    if (any != all) {
        errors.push_back(of_file(configuration, "notify.matrix_homeserver",
                                 "expected notify.matrix_homeserver, matrix_room and matrix_token together"));
        for (const char* there : {"notify.matrix_room", "notify.matrix_token"})
            if (const auto line = configuration.lines.find(there);
                errors.back().line == 0 && line != configuration.lines.end())
                errors.back().line = line->second;
    }
    return errors;
}

std::vector<std::string> restart_needed(const Settings& old, const Settings& now)
{
    std::vector<std::string> changed;
    const auto compare = [&](const char* key, const auto& before, const auto& after) {
        if (before != after)
            changed.emplace_back(key);
    };
    compare("server.listen", old.server.listen, now.server.listen);
    compare("server.threads", old.server.threads, now.server.threads);
    compare("storage.backend", old.storage.backend, now.storage.backend);
    compare("storage.sqlite", old.storage.sqlite, now.storage.sqlite);
    compare("storage.postgres", old.storage.postgres, now.storage.postgres);
    compare("storage.postgres_connections", old.storage.postgres_connections,
            now.storage.postgres_connections);
    compare("storage.outbox", old.storage.outbox, now.storage.outbox);
    return changed;
}

}  // namespace route
