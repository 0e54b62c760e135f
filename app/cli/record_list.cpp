#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/number_option.hpp"
#include "app/cli/record_options.hpp"
#include "app/cli/record_text.hpp"
#include "app/cli/terminal.hpp"

namespace route::cli {
namespace {

void list_json(Session& session, const storage::RecordFilter& filter)
{
    Pager pager{session.out};
    bool first = true;
    session.out << '[';
    session.database().for_each_record(filter, [&](const storage::StoredRecord& stored) {
        session.out << (first ? "" : ",\n") << json_line(record_json(stored, filter.bodies));
        first = false;
        return session.out.good();
    });
    session.out << "]\n";
}

int list(Session& session, const RecordOptions& options)
{
    auto filter = record_filter(options);
    filter.bodies = options.json && options.bodies;
    if (options.json) {
        list_json(session, filter);
        return 0;
    }
    Table table{record_titles()};
    session.database().for_each_record(filter, [&](const storage::StoredRecord& stored) {
        table.row(record_cells(stored), tone_of(stored.record));
        return true;
    });
    Pager pager{session.out};
    table.print(session.out);
    return 0;
}

}  // namespace

void add_record_list(Commands& record)
{
    auto& session = record.session();
    const auto options = std::make_shared<RecordOptions>();
    options->limit = 50;
    auto& command = record.add("list", "Lists records, newest first",
                               [&session, options] { return list(session, *options); });
    declare_filters(command, *options);
    add_limit(command, options->limit, "How many at most; 0: all; default 50");
    command.add_flag("--json", options->json, "As JSON");
    declare_bodies(command, *options);
}

}  // namespace route::cli
