#include <fmt/format.h>

#include <chrono>

#include "app/cli/commands.hpp"
#include "app/cli/record_options.hpp"
#include "core/counted.hpp"

namespace route::cli {
namespace {

struct PruneOptions
{
    std::string until;
    bool bodies = false;
};

constexpr std::chrono::seconds interval{5};

/// How far it is, on standard error, every few seconds.
storage::PruneProgress progress_of(Session& session)
{
    return [&session, next = std::chrono::steady_clock::now() + interval](std::uint64_t rows) mutable {
        const auto now = std::chrono::steady_clock::now();
        if (now < next)
            return;
        next = now + interval;
        session.err << fmt::format("{} so far\n", counted(rows, "record")) << std::flush;
    };
}

int prune(Session& session, const PruneOptions& options)
{
    const auto before = time_of_option("--until", options.until);
    const auto progress = progress_of(session);
    if (options.bodies)
        session.out << fmt::format("emptied {}\n",
                                   counted(session.database().prune_bodies(before, progress), "record"));
    else
        session.out << fmt::format("deleted {}\n",
                                   counted(session.database().prune(before, progress), "record"));
    return 0;
}

}  // namespace

void add_record_prune(Commands& record)
{
    auto& session = record.session();
    const auto options = std::make_shared<PruneOptions>();
    auto& command =
        record.add("prune", "Deletes old records", [&session, options] { return prune(session, *options); });
    command.add_option("--until", options->until, "Those before: RFC 3339, a date (UTC), or 30m, 2h, 7d ago")
        ->type_name("TIME")
        ->required();
    command.add_flag("--bodies", options->bodies, "Delete only their bodies and responses");
}

}  // namespace route::cli
