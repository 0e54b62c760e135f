#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "app/cli/commands.hpp"
#include "app/cli/upstream_lookup.hpp"
#include "app/config/secrets.hpp"
#include "app/config/toml_writer.hpp"

namespace route::cli {
namespace {

namespace fs = std::filesystem;

struct ExportOptions
{
    std::string output = "-";
    bool secrets = false;
    bool force = false;
};

/// What may be written of a value that may be a secret.
std::optional<std::string> if_allowed(const std::string& value, bool secret, const ExportOptions& options)
{
    if (secret && !options.secrets)
        return std::nullopt;
    return value;
}

bool holds_plain_secret(const std::map<std::string, std::string>& headers)
{
    return std::any_of(headers.begin(), headers.end(), [](const auto& header) {
        return is_secret_header(header.first, header.second) && !is_secret_reference(header.second);
    });
}

std::string exported(Session& session, const ExportOptions& options)
{
    TomlWriter out;
    if (!options.secrets)
        out.comment(
            "Keys are left out, headers with keys, too, references to them are not: --secrets writes all.");
    for (const auto& [definition, origin] : listed_upstreams(session)) {
        // The environment's one is there only as long as there is no other.
        if (origin == UpstreamOrigin::environment)
            continue;
        if (const auto unusable = unusable_reason(definition); !unusable.empty()) {
            session.warn(fmt::format("{} is left out: {}", effective_name(definition), unusable));
            continue;
        }
        const bool plain = !is_secret_reference(definition.sk) && definition.sk != "asis";
        const bool password = definition.proxy.find('@') != std::string::npos;
        WrittenSecrets secrets{if_allowed(definition.sk, plain, options),
                               if_allowed(definition.proxy, password, options), definition.headers};
        // With some of them missing the file would take those away.
        if (holds_plain_secret(definition.headers) && !options.secrets)
            secrets.headers.reset();
        write_upstream(out, definition, secrets);
    }
    return out.take();
}

/// Creates the file or opens it, by `flags`, and writes it whole; false leaves the reason in errno.
bool write_whole(const std::string& path, int flags, mode_t mode, const std::string& text)
{
    const int file = ::open(path.c_str(), flags | O_WRONLY | O_CLOEXEC, mode);
    if (file < 0)
        return false;
    std::size_t written = 0;
    while (written < text.size()) {
        const auto count = ::write(file, text.data() + written, text.size() - written);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            break;
        written += static_cast<std::size_t>(count);
    }
    const int error = errno;
    const bool closed = ::close(file) == 0;
    if (written < text.size())
        errno = error;
    return written == text.size() && closed;
}

/// The old file stays until the new one is whole, and its mode is not taken over: others may read it.
void write_file(const ExportOptions& options, const std::string& text)
{
    const auto& path = options.output;
    std::error_code ignored;
    const auto target = fs::weakly_canonical(path, ignored);
    bool done = false;
    if (fs::exists(target, ignored) && !fs::is_regular_file(target, ignored)) {
        done = write_whole(path, 0, 0, text);  // a pipe, a terminal
    } else if (!options.force && fs::exists(target, ignored)) {
        fail(path + " is there already: --force replaces it");
    } else {
        const auto fresh = fmt::format("{}.{}", target.native(), ::getpid());
        done = write_whole(fresh, O_CREAT | O_EXCL, options.secrets ? S_IRUSR | S_IWUSR : 0666, text) &&
               std::rename(fresh.c_str(), target.c_str()) == 0;
        const int error = errno;
        if (!done)
            ::unlink(fresh.c_str());
        errno = error;
    }
    if (!done)
        fail(fmt::format("{}: cannot be written: {}", path, std::generic_category().message(errno)));
}

int export_upstreams(Session& session, const ExportOptions& options)
{
    const auto text = exported(session, options);
    if (options.output == "-")
        session.out << text;
    else
        write_file(options, text);
    return 0;
}

}  // namespace

void add_upstream_export(Commands& upstream)
{
    auto& session = upstream.session();
    const auto options = std::make_shared<ExportOptions>();
    auto& command = upstream.add("export", "Writes all upstreams as TOML that `upstream import` reads",
                                 [&session, options] { return export_upstreams(session, *options); });
    command.add_flag("--secrets", options->secrets, "Keys too; a file is then readable for its owner alone");
    command.add_option("--output", options->output, "Default: standard output")->type_name("FILE");
    command.add_flag("--force", options->force, "Replace a file that is there");
}

}  // namespace route::cli
