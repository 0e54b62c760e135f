#include "app/cli/cli.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "app/cli/arguments.hpp"
#include "app/cli/commands.hpp"
#include "core/text.hpp"

namespace route::cli {
namespace {

void add_all(Commands& commands, const std::function<int(const ServeOptions&)>& serve)
{
    add_serve(commands, serve);
    auto upstream = commands.group("upstream", "Upstreams: endpoints and their keys");
    add_upstream_list(upstream);
    add_upstream_show(upstream);
    add_upstream_add(upstream);
    add_upstream_set(upstream);
    add_upstream_enable(upstream);
    add_upstream_remove(upstream);
    add_upstream_test(upstream);
    add_upstream_export(upstream);
    add_upstream_import(upstream);
    auto key = commands.group("key", "Keys of clients");
    add_key_add(key);
    add_key_list(key);
    add_key_remove(key);
    auto record = commands.group("record", "Records of requests");
    add_record_list(record);
    add_record_show(record);
    add_record_tail(record);
    add_record_stats(record);
    add_record_prune(record);
    add_record_export(record);
    auto db = commands.group("db", "The database as a whole");
    add_db_status(db);
    add_db_copy(db);
    auto notify = commands.group("notify", "Messages about requests that failed");
    add_notify_test(notify);
    add_explain(commands);
    auto config = commands.group("config", "The configuration");
    add_config(config);
}

void add_options(CLI::App& app, ServeOptions& options)
{
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app.add_option("--config", options.config,
                   "Configuration file (default: ./openai-api-route.toml, if there)")
        ->type_name("FILE");
    app.add_option("--database", options.database, "SQLite file or postgresql:// URL; wins over [storage]")
        ->type_name("PATH");
}

/// An argument that is no option may be a key typed in the wrong place.
std::string shown_argument(const std::string& argument)
{
    if (argument.starts_with('-'))
        return argument.substr(0, argument.find('='));
    return argument.size() < 16 ? argument : std::string{mask_key(argument)};
}

void print_error(std::ostream& err, const std::string& reason)
{
    err << "openai-api-route: " << escape_for_log(reason, 1024) << '\n';
}

int parse(CLI::App& app, const std::vector<std::string>& arguments)
{
    // CLI11 takes them from the back.
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(std::move(reversed));
    return 0;
}

}  // namespace

CLI::App& Commands::add(const std::string& name, const std::string& description, std::function<int()> action)
{
    auto* command = app_.add_subcommand(name, description);
    command->fallthrough();
    all_->push_back({command, std::move(action)});
    return *command;
}

Commands Commands::group(const std::string& name, const std::string& description)
{
    auto* app = app_.add_subcommand(name, description);
    app->fallthrough();
    app->require_subcommand(0, 1);
    return Commands{*app, session_, all_};
}

int Commands::run() const
{
    for (const auto& command : *all_)
        if (command.app->parsed())
            return command.action();
    wrong_usage("expected a command; --help lists them");
}

int run(int argc, const char* const* argv, std::istream& in, std::ostream& out, std::ostream& err,
        const std::function<int(const ServeOptions&)>& serve)
{
    Session session{in, out, err};
    CLI::App app{"Routes OpenAI API requests to the first upstream that answers.", "openai-api-route"};
    try {
        app.require_subcommand(0, 1);
        app.set_version_flag("--version", "openai-api-route " ROUTE_VERSION);
        add_options(app, session.options);
        Commands commands{app, session};
        add_all(commands, serve);
        parse(app, modern_arguments({argv + std::min(argc, 1), argv + argc}));
        const int code = commands.run();
        out.flush();
        if (!out)
            fail("standard output cannot be written");
        return code;
    } catch (const CLI::CallForVersion&) {
        out << app.version() << '\n';
        return 0;
    } catch (const CLI::CallForHelp&) {
        out << app.help();
        return 0;
    } catch (const CLI::ExtrasError&) {
        print_error(err, "unexpected argument: " + shown_argument(app.remaining(true).front()));
        return 2;
    } catch (const CLI::ParseError& error) {
        print_error(err, error.what());
        return 2;
    } catch (const CommandError& error) {
        print_error(err, error.what());
        return error.exit_code();
    } catch (const std::exception& error) {
        print_error(err, error.what());
        return 1;
    }
}

}  // namespace route::cli
