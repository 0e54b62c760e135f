#include <fmt/format.h>

#include <algorithm>

#include "app/cli/commands.hpp"
#include "app/client_key_maker.hpp"
#include "app/config/config_values.hpp"

namespace route::cli {
namespace {

struct NewKeyOptions
{
    std::string name;
    std::string value;
};

int add(Session& session, const NewKeyOptions& options)
{
    if (!valid_key_name(options.name))
        fail("the name: expected 1 to 64 bytes without control characters");
    auto& database = session.database_to_begin();
    const auto keys = database.client_keys();
    if (std::any_of(keys.begin(), keys.end(), [&](const ClientKey& key) { return key.name == options.name; }))
        fail(fmt::format("the name {} is taken", options.name));
    const bool given = !options.value.empty();
    const auto key = given ? session.read_secret() : make_client_key();
    if (!valid_client_key(key))
        fail("the key: expected visible characters without blanks");
    if (key.size() < shortest_client_key)
        fail(fmt::format("the key: expected {} characters or more: a short one can be guessed",
                         shortest_client_key));
    const auto hash = hash_key(key);
    if (std::any_of(keys.begin(), keys.end(), [&](const ClientKey& other) { return other.hash == hash; }))
        fail("this key is there already, under another name");
    database.add_client_key(options.name, hash);
    if (given) {
        session.out << fmt::format("added key {}\n", options.name);
    } else {
        session.out << key << '\n';
        session.err << "openai-api-route: this key is shown once: only its hash is stored\n";
    }
    return 0;
}

}  // namespace

void add_key_add(Commands& key)
{
    auto& session = key.session();
    const auto options = std::make_shared<NewKeyOptions>();
    auto& command = key.add("add", "Adds a client key, made at random and printed once",
                            [&session, options] { return add(session, *options); });
    command.add_option("NAME", options->name, "Whose it is; records show it")->required();
    const auto only_dash = [](const std::string& text) {
        return text == "-" ? "" : "expected -: the key is read from standard input";
    };
    command
        .add_option("--value", options->value, "-: read the key from standard input instead of making one")
        ->type_name("-")
        ->check(only_dash);
}

}  // namespace route::cli
