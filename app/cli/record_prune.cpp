#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/record_options.hpp"

namespace route::cli {
namespace {

struct PruneOptions
{
    std::string until;
    bool bodies = false;
};

int prune(Session& session, const PruneOptions& options)
{
    const auto before = time_of_option("--until", options.until);
    if (options.bodies)
        session.out << fmt::format("emptied {} records\n", session.database().prune_bodies(before, {}));
    else
        session.out << fmt::format("deleted {} records\n", session.database().prune(before, {}));
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
