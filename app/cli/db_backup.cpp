#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/config/config_values.hpp"
#include "app/shell_text.hpp"
#include "core/counted.hpp"
#include "storage/database_backup.hpp"
#include "storage/outbox.hpp"

namespace route::cli {
namespace {

struct BackupOptions
{
    std::string file;
    bool force = false;
};

std::string without_password(const std::string& url)
{
    constexpr std::string_view masked = ":…@";
    auto shown = mask_url(url);
    if (const auto found = shown.find(masked); found != std::string::npos)
        shown.replace(found, masked.size(), "@");
    return shown;
}

/// Its own programs do it better.
[[noreturn]] void refuse_postgres(const BackupOptions& options, const std::string& url)
{
    fail(fmt::format(
        "a PostgreSQL database is backed up by its own program, the password in ~/.pgpass or PGPASSWORD: "
        "pg_dump --format=custom --file={} --dbname={}",
        shell_quoted(options.file), shell_quoted(without_password(url))));
}

int back_up(Session& session, const BackupOptions& options)
{
    if (!session.has_database())
        session.database();  // says so
    const auto& storage = session.configuration().settings.storage;
    if (storage.backend == Backend::postgres)
        refuse_postgres(options, storage.postgres);
    const auto counts = storage::back_up_sqlite(storage.sqlite, options.file, options.force);
    session.out << fmt::format("{}: {}, {} and {} (removed ones included), {}\n", options.file,
                               counted(counts.records, "record"), counted(counts.upstreams, "upstream"),
                               counted(counts.keys, "client key"), counted(counts.bytes, "byte"));
    if (const auto waiting = storage::Outbox{storage.outbox}.size(); waiting > 0)
        session.warn(fmt::format("{} in {} and not in the backup",
                                 counted(waiting, "record") + (waiting == 1 ? " waits" : " wait"),
                                 storage.outbox));
    return 0;
}

}  // namespace

void add_db_backup(Commands& db)
{
    auto& session = db.session();
    const auto options = std::make_shared<BackupOptions>();
    auto& command = db.add("backup", "Writes a whole copy of an SQLite database, also while routers use it",
                           [&session, options] { return back_up(session, *options); });
    command.add_option("FILE", options->file, "The copy, for its owner alone (mode 0600)")->required();
    command.add_flag("--force", options->force, "Replace a file that is there");
}

}  // namespace route::cli
