#include <boost/json/array.hpp>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/cli/table.hpp"

namespace route::cli {
namespace {

int list_keys(Session& session, bool json)
{
    const auto& configured = session.configuration().settings.auth.keys;
    const auto stored = session.has_database() ? session.database().client_keys() : std::vector<ClientKey>{};
    boost::json::array array;
    Table table{{">ID", "NAME", "CREATED"}};
    for (const auto& key : stored) {
        table.row({std::to_string(key.id), key.name, key.created_at});
        array.push_back({{"id", key.id},
                         {"name", json_text(key.name)},
                         {"source", "database"},
                         {"created_at", json_text(key.created_at)}});
    }
    for (const auto& key : configured) {
        table.row({"file", key.name, ""});
        array.push_back(
            {{"id", nullptr}, {"name", json_text(key.name)}, {"source", "file"}, {"created_at", nullptr}});
    }
    if (json)
        print_json(session.out, array);
    else
        table.print(session.out);
    return 0;
}

}  // namespace

void add_key_list(Commands& key)
{
    auto& session = key.session();
    const auto json = std::make_shared<bool>(false);
    auto& command =
        key.add("list", "Lists client keys", [&session, json] { return list_keys(session, *json); });
    command.add_flag("--json", *json, "As JSON");
}

}  // namespace route::cli
