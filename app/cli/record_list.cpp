#include <boost/json/serialize.hpp>

#include "app/cli/commands.hpp"
#include "app/cli/number_option.hpp"
#include "app/cli/record_options.hpp"
#include "app/cli/record_text.hpp"

namespace route::cli {
namespace {

void list_json(Session& session, const storage::RecordFilter& filter)
{
    bool first = true;
    session.out << '[';
    session.database().for_each_record(filter, [&](const storage::StoredRecord& stored) {
        session.out << (first ? "" : ",\n") << boost::json::serialize(record_json(stored));
        first = false;
        return session.out.good();
    });
    session.out << "]\n";
}

int list(Session& session, const RecordOptions& options)
{
    auto filter = record_filter(options);
    if (options.json) {
        list_json(session, filter);
        return 0;
    }
    filter.bodies = false;
    auto table = record_table();
    session.database().for_each_record(filter, [&](const storage::StoredRecord& stored) {
        add_row(table, stored);
        return true;
    });
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
    command.add_flag("--json", options->json, "As JSON, bodies included");
}

}  // namespace route::cli
