#include <toml++/toml.h>

#include "app/cli/commands.hpp"
#include "app/config/config_print.hpp"
#include "app/configured_table.hpp"

namespace route::cli {
namespace {

int check(Session& session)
{
    const auto& configuration = session.configuration();
    auto errors = check_for_serving(configuration);
    const auto passed_over = unusable_upstreams(configuration);
    errors.insert(errors.end(), passed_over.begin(), passed_over.end());
    if (!errors.empty())
        fail(errors);
    const auto& file = configuration.file;
    session.out << (file.empty() ? "defaults"
                                 : session.options.config.value_or(std::string{default_config_file}))
                << ": ok\n";
    return 0;
}

int show_configuration(Session& session, bool json)
{
    const auto text = print_settings(session.configuration().settings);
    if (json)
        session.out << toml::json_formatter{toml::parse(text)} << '\n';
    else
        session.out << text;
    return 0;
}

}  // namespace

void add_config(Commands& config)
{
    auto& session = config.session();
    auto& checking = config.add("check", "Validates the configuration file and what it refers to",
                                [&session] { return check(session); });
    const auto name_file = [&session](const std::string& file) {
        if (session.options.config && *session.options.config != file)
            wrong_usage("expected one file: FILE or --config FILE");
        session.options.config = file;
    };
    checking.add_option_function<std::string>("FILE", name_file,
                                              "Instead of the one that `serve` would read");
    const auto json = std::make_shared<bool>(false);
    auto& command = config.add("show", "Shows the effective configuration, secrets masked",
                               [&session, json] { return show_configuration(session, *json); });
    command.add_flag("--json", *json, "As JSON");
}

}  // namespace route::cli
