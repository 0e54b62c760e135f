#include "app/cli/commands.hpp"
#include "app/cli/mistyped.hpp"
#include "app/version.hpp"

namespace route::cli {
namespace {

int help(Session& session, const CLI::App& program, const std::vector<std::string>& words)
{
    const auto named = named_command(program, words);
    if (!named.unknown.empty())
        wrong_usage(unknown_command(*named.app, named.unknown));
    session.out << program.get_formatter()->make_help(named.app, {}, CLI::AppFormatMode::Normal);
    return 0;
}

}  // namespace

void add_help(Commands& commands)
{
    auto& session = commands.session();
    const auto& program = commands.app();
    const auto words = std::make_shared<std::vector<std::string>>();
    auto& command = commands.add("help", "Says what a command does, with all its options",
                                 [&session, &program, words] { return help(session, program, *words); });
    command.add_option("COMMAND", *words, "As it is typed: upstream add");
}

void add_version(Commands& commands)
{
    auto& session = commands.session();
    commands.add("version", "Prints version, commit and compiler", [&session] {
        session.out << version_text() << '\n';
        return 0;
    });
}

}  // namespace route::cli
