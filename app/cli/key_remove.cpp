#include <fmt/format.h>

#include <algorithm>

#include "app/cli/commands.hpp"
#include "app/cli/mistyped.hpp"

namespace route::cli {
namespace {

int remove(Session& session, const std::string& name)
{
    if (session.database().remove_client_key(name)) {
        session.out << fmt::format("removed key {}\n", name);
        return 0;
    }
    const auto& configuration = session.configuration();
    const auto& keys = configuration.settings.auth.keys;
    if (std::any_of(keys.begin(), keys.end(), [&](const ConfiguredKey& key) { return key.name == name; }))
        fail(fmt::format("key {} is changed only in {}", name, configuration.file));
    std::vector<std::string> names;
    for (const auto& key : session.database().client_keys())
        names.push_back(key.name);
    fail(fmt::format("there is no key {}{}", shown_id(name), those_there(name, names)));
}

}  // namespace

void add_key_remove(Commands& key)
{
    auto& session = key.session();
    const auto name = std::make_shared<std::string>();
    auto& command = key.add("remove", "Removes a client key: it is refused within a second",
                            [&session, name] { return remove(session, *name); });
    command.add_option("NAME", *name, "Its name")->required();
}

}  // namespace route::cli
