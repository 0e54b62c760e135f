#include "app/cli/cli.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "app/cli/arguments.hpp"
#include "app/cli/commands.hpp"
#include "app/cli/help_format.hpp"
#include "app/cli/mistyped.hpp"
#include "app/config/message_line.hpp"
#include "app/version.hpp"

namespace route::cli {
namespace {

void add_all(Commands& commands, const std::function<int(const ServeOptions&)>& serve)
{
    add_serve(commands, serve);
    add_status(commands);
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
    add_record_curl(record);
    add_record_replay(record);
    add_record_tail(record);
    add_record_stats(record);
    add_record_prune(record);
    add_record_export(record);
    auto db = commands.group("db", "The database as a whole");
    add_db_status(db);
    add_db_copy(db);
    add_db_backup(db);
    auto notify = commands.group("notify", "Messages about requests that failed");
    add_notify_test(notify);
    add_explain(commands);
    auto config = commands.group("config", "The configuration");
    add_config(config);
    add_help(commands);
    add_version(commands);
}

void add_options(CLI::App& app, ServeOptions& options)
{
    app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app.add_option("--config", options.config, "Configuration file (else ./openai-api-route.toml, if there)")
        ->type_name("FILE");
    app.add_option("--database", options.database, "SQLite file or postgresql:// URL; wins over [storage]")
        ->type_name("PATH");
}

void print_error(std::ostream& err, const std::string& reason)
{
    err << "openai-api-route: " << message_line(reason) << '\n';
}

/// The options of `serve` alone may stand without its name.
std::vector<std::string> with_command(const CLI::App& app, std::vector<std::string> arguments)
{
    const auto named = named_command(app, arguments);
    const auto* serve = app.get_subcommand("serve");
    if (named.app == &app && has_option(*serve, named.unknown))
        arguments.insert(arguments.begin(), "serve");
    return arguments;
}

/// What is mistyped comes before what is missing: `--ks KEY` leaves no `--sk`.
[[noreturn]] void refuse_arguments(const CLI::App& app, const CLI::App& command, const std::string& reason)
{
    if (const auto rest = app.remaining(true); !rest.empty())
        wrong_usage(unexpected_argument(command, rest.front()));
    wrong_usage(reason);
}

void parse(CLI::App& app, const CLI::App& command, const std::vector<std::string>& arguments)
{
    // CLI11 takes them from the back.
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    try {
        app.parse(std::move(reversed));
    } catch (const CLI::Success&) {
        throw;
    } catch (const CLI::ExtrasError& error) {
        refuse_arguments(app, command, error.what());
    } catch (const CLI::RequiredError& error) {
        refuse_arguments(app, command, error.what());
    } catch (const CLI::ArgumentMismatch& error) {
        const std::string reason = error.what();
        wrong_usage(reason.substr(0, reason.find(':')) + ": expected a value");
    } catch (const CLI::ParseError& error) {
        wrong_usage(error.what());
    }
}

/// `upstream help` is `upstream --help`.
NamedCommand understand(const CLI::App& app, std::vector<std::string>& arguments)
{
    arguments = with_command(app, std::move(arguments));
    auto named = named_command(app, arguments);
    const auto& unknown = named.unknown;
    if (unknown == "help") {
        *std::find(arguments.begin(), arguments.end(), unknown) = "--help";
        return {named.app, {}};
    }
    if (!unknown.empty() && unknown.front() != '-')
        wrong_usage(unknown_command(*named.app, unknown));
    return named;
}

int run_command(CLI::App& app, const Commands& commands, std::vector<std::string> arguments)
{
    const auto named = understand(app, arguments);
    try {
        parse(app, *named.app, arguments);
        return commands.run();
    } catch (const CommandError& error) {
        const std::string reason = error.what();
        if (error.exit_code() != 2 || reason.find(" --help") != std::string::npos)
            throw;
        wrong_usage(fmt::format("{}. {}", reason, pointer_to_help(*named.app)));
    }
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
    const CLI::App* group = &app_;
    while (!group->get_subcommands().empty())
        group = group->get_subcommands().front();
    wrong_usage(fmt::format("{}: expected a command: {}. {}", group->get_name(),
                            fmt::join(command_names(*group), ", "), pointer_to_help(*group)));
}

int run(int argc, const char* const* argv, std::istream& in, std::ostream& out, std::ostream& err,
        const std::function<int(const ServeOptions&)>& serve)
{
    Session session{in, out, err};
    CLI::App app{"Routes OpenAI API requests to the first upstream that answers.", "openai-api-route"};
    try {
        app.require_subcommand(0, 1);
        app.formatter(std::make_shared<HelpFormat>());
        app.footer("Without a command it serves. `openai-api-route help COMMAND` says all about one.");
        app.set_version_flag("--version", version_text(), "Prints version, commit and compiler");
        add_options(app, session.options);
        Commands commands{app, session};
        add_all(commands, serve);
        const int code =
            run_command(app, commands, modern_arguments({argv + std::min(argc, 1), argv + argc}));
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
    } catch (const CommandError& error) {
        for (const auto& reason : error.reasons())
            print_error(err, reason);
        return error.exit_code();
    } catch (const std::exception& error) {
        print_error(err, error.what());
        return 1;
    }
}

}  // namespace route::cli
