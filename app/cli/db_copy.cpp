#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <iostream>

#include "app/cli/commands.hpp"
#include "app/config/config_values.hpp"
#include "core/counted.hpp"
#include "core/text.hpp"
#include "storage/database_copy.hpp"
#include "storage/open.hpp"

namespace route::cli {
namespace {

constexpr std::string_view sqlite_prefix = "sqlite:";

struct CopyOptions
{
    std::string from;
    std::string to;
};

StorageSettings settings_of(const char* option, const std::string& text)
{
    StorageSettings settings;
    if (is_postgres_url(text) && has_encoded_user(text)) {
        settings.backend = Backend::postgres;
        settings.postgres = text;
    } else if (text.starts_with(sqlite_prefix) && text.size() > sqlite_prefix.size()) {
        settings.backend = Backend::sqlite;
        settings.sqlite = text.substr(sqlite_prefix.size());
    } else {
        wrong_usage(
            fmt::format("{}: expected sqlite:PATH or postgresql://…, special characters of user and password "
                        "percent-encoded",
                        option));
    }
    return settings;
}

/// How far it is, on standard error: in one line on a terminal, elsewhere a line every few seconds.
class Progress
{
  public:
    Progress(Session& session, std::uint64_t records)
        : session_{session},
          records_{records},
          terminal_{&session.err == &std::cerr && ::isatty(STDERR_FILENO) != 0}
    {
    }

    void show(const storage::CopyCounts& counts)
    {
        const auto now = std::chrono::steady_clock::now();
        if (now < next_)
            return;
        next_ = now + (terminal_ ? std::chrono::milliseconds{200} : std::chrono::seconds{5});
        const auto done = counts.records + counts.rejected;
        const auto percent = records_ == 0 ? 100 : std::min<std::uint64_t>(100, done * 100 / records_);
        session_.err << (terminal_ ? "\r\x1b[K" : "")
                     << fmt::format("{} of {}, {} %", done, counted(std::max(records_, done), "record"),
                                    percent)
                     << (terminal_ ? "" : "\n") << std::flush;
        shown_ = true;
    }

    void clear()
    {
        if (terminal_ && std::exchange(shown_, false))
            session_.err << "\r\x1b[K" << std::flush;
    }

  private:
    Session& session_;
    std::uint64_t records_;
    bool terminal_;
    bool shown_ = false;
    std::chrono::steady_clock::time_point next_{};
};

std::uint64_t records_in(storage::AnyRepository& database)
{
    for (const auto& table : database.status().tables)
        if (table.name == "records")
            return table.rows;
    return 0;
}

std::string there(std::uint64_t count)
{
    return count == 0 ? "" : fmt::format(" ({} more were there)", count);
}

int copy(Session& session, const CopyOptions& options)
{
    const auto source = settings_of("--from", options.from);
    const auto target = settings_of("--to", options.to);
    const auto from = storage::open_repository(source, false);
    const auto to = storage::open_repository(target);
    Progress progress{session, records_in(*from)};
    storage::CopyHooks hooks;
    hooks.on_progress = [&](const storage::CopyCounts& counts) {
        progress.show(counts);
        return true;
    };
    hooks.on_rejected = [&](const Record& record, const std::string& reason) {
        progress.clear();
        session.warn(fmt::format("record {} is refused: {}", record.request_id, reason));
    };
    hooks.on_renamed = [&](const std::string& what) { session.warn(what); };
    const auto counts = storage::copy_database(*from, *to, hooks);
    progress.clear();
    session.out << fmt::format("upstreams: {} copied{}\nclient keys: {} copied{}\nrecords: {}{}\n",
                               counts.upstreams, there(counts.upstreams_there), counts.keys,
                               there(counts.keys_there), counts.records,
                               counts.rejected == 0 ? ", all of them there" : " there");
    if (counts.rejected > 0)
        fail(fmt::format("not copied, for the other database refuses them: {}",
                         counted(counts.rejected, "record")));
    return 0;
}

}  // namespace

void add_db_copy(Commands& db)
{
    auto& session = db.session();
    const auto options = std::make_shared<CopyOptions>();
    auto& command =
        db.add("copy", "Copies upstreams, keys, records and attempts; can be interrupted and repeated",
               [&session, options] { return copy(session, *options); });
    command.add_option("--from", options->from, "sqlite:PATH or postgresql://…")
        ->required()
        ->type_name("DATABASE");
    command.add_option("--to", options->to, "The same; made when it is not there")
        ->required()
        ->type_name("DATABASE");
}

}  // namespace route::cli
