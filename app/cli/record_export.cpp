#include <boost/json/serialize.hpp>

#include "app/cli/commands.hpp"
#include "app/cli/number_option.hpp"
#include "app/cli/record_options.hpp"
#include "app/cli/record_text.hpp"

namespace route::cli {
namespace {

int export_records(Session& session, const RecordOptions& options)
{
    auto filter = record_filter(options);
    filter.newest_first = false;
    session.database().for_each_record(filter, [&](const storage::StoredRecord& stored) {
        session.out << boost::json::serialize(record_json(stored)) << '\n';
        return session.out.good();
    });
    return 0;
}

}  // namespace

void add_record_export(Commands& record)
{
    auto& session = record.session();
    const auto options = std::make_shared<RecordOptions>();
    auto& command = record.add("export", "Writes records as JSON lines, oldest first",
                               [&session, options] { return export_records(session, *options); });
    declare_filters(command, *options);
    add_limit(command, options->limit, "How many at most; 0: all");
}

}  // namespace route::cli
