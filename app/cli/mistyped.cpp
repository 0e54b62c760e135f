#include "app/cli/mistyped.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "app/config/config_values.hpp"
#include "app/config/nearest_word.hpp"
#include "core/text.hpp"

namespace route::cli {
namespace {

constexpr std::array<Synonym, 39> commands_people_try{{
    {"start", "serve"},       {"run", "serve"},      {"server", "serve"},     {"ls", "list"},
    {"all", "list"},          {"get", "show"},       {"info", "show"},        {"cat", "show"},
    {"describe", "show"},     {"view", "show"},      {"create", "add"},       {"new", "add"},
    {"insert", "add"},        {"make", "add"},       {"delete", "remove"},    {"del", "remove"},
    {"rm", "remove"},         {"drop", "remove"},    {"edit", "set"},         {"update", "set"},
    {"change", "set"},        {"modify", "set"},     {"on", "enable"},        {"off", "disable"},
    {"check", "test"},        {"ping", "test"},      {"dump", "export"},      {"load", "import"},
    {"follow", "tail"},       {"watch", "tail"},     {"statistics", "stats"}, {"clean", "prune"},
    {"purge", "prune"},       {"validate", "check"}, {"print", "show"},       {"logs", "record"},
    {"provider", "upstream"}, {"database", "db"},    {"token", "key"},
}};

constexpr std::array<Synonym, 27> options_people_try{{
    {"key", "sk"},           {"api_key", "sk"},   {"apikey", "sk"},         {"secret", "sk"},
    {"token", "sk"},         {"url", "endpoint"}, {"base_url", "endpoint"}, {"host", "endpoint"},
    {"address", "endpoint"}, {"models", "allow"}, {"include", "allow"},     {"exclude", "deny"},
    {"alias", "rename"},     {"map", "rename"},   {"listen", "addr"},       {"port", "addr"},
    {"bind", "addr"},        {"host", "addr"},    {"address", "addr"},      {"db", "database"},
    {"conf", "config"},      {"search", "grep"},  {"from", "since"},        {"after", "since"},
    {"before", "until"},     {"count", "limit"},  {"all", "full"},
}};

bool is_option(const std::string& argument)
{
    return argument.size() > 1 && argument.starts_with('-');
}

std::string name_of(const std::string& argument)
{
    return argument.substr(0, argument.find('='));
}

std::string_view without_dashes(std::string_view option)
{
    return option.substr(std::min(option.find_first_not_of('-'), option.size()));
}

const CLI::App* find_command(const CLI::App& group, const std::string& word)
{
    for (const auto* command : group.get_subcommands({}))
        if (command->get_name() == word)
            return command;
    return nullptr;
}

/// The option of this name, of the command or of every command.
const CLI::Option* find_option(const CLI::App& command, const std::string& name)
{
    for (const auto* app = &command; app != nullptr; app = app->get_parent())
        for (const auto* option : app->get_options({}))
            if (option->nonpositional() && option->check_name(name))
                return option;
    return nullptr;
}

std::vector<std::string> option_names(const CLI::App& command)
{
    std::vector<std::string> names;
    for (const auto* app = &command; app != nullptr; app = app->get_parent())
        for (const auto* option : app->get_options({}))
            for (const auto& name : option->get_lnames())
                names.push_back(name);
    return names;
}

/// An argument that is no option may be a key typed in the wrong place.
std::string shown_argument(const std::string& argument)
{
    if (is_option(argument))
        return name_of(argument);
    return argument.size() < 16 ? argument : std::string{mask_key(argument)};
}

/// `key list, record list or upstream list`, of the groups that have such a command; "" when none has.
std::string of_groups(const CLI::App& program, const std::string& word)
{
    std::vector<std::string> found;
    for (const auto* group : program.get_subcommands({}))
        if (const auto meant = nearest_word(word, command_names(*group), commands_people_try))
            found.push_back(group->get_name() + ' ' + *meant);
    if (found.size() < 2)
        return found.empty() ? std::string{} : found.front();
    const auto last = found.back();
    found.pop_back();
    return fmt::format("{} or {}", fmt::join(found, ", "), last);
}

}  // namespace

NamedCommand named_command(const CLI::App& program, const std::vector<std::string>& arguments)
{
    NamedCommand named{&program, {}};
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const auto& argument = arguments[i];
        if (argument == "--" || named.app->get_subcommands({}).empty())
            break;
        if (is_option(argument)) {
            const auto* option = find_option(*named.app, name_of(argument));
            if (option == nullptr) {
                named.unknown = argument;
                break;
            }
            if (option->get_expected_min() > 0 && argument.find('=') == std::string::npos)
                ++i;
        } else if (const auto* command = find_command(*named.app, argument)) {
            named.app = command;
        } else {
            named.unknown = argument;
            break;
        }
    }
    return named;
}

std::string path_of(const CLI::App& command)
{
    const auto* parent = command.get_parent();
    return parent == nullptr ? command.get_name() : path_of(*parent) + ' ' + command.get_name();
}

std::string pointer_to_help(const CLI::App& command)
{
    return fmt::format("See: {} --help", path_of(command));
}

std::vector<std::string> command_names(const CLI::App& group)
{
    std::vector<std::string> names;
    for (const auto* command : group.get_subcommands({}))
        if (!command->get_group().empty())
            names.push_back(command->get_name());
    return names;
}

std::string unknown_command(const CLI::App& group, const std::string& word)
{
    const auto names = command_names(group);
    auto meant = nearest_word(word, names, commands_people_try).value_or("");
    if (meant.empty() && group.get_parent() == nullptr)
        meant = of_groups(group, word);
    const auto where = group.get_parent() == nullptr ? std::string{} : group.get_name() + ": ";
    auto said = fmt::format("{}unknown command {}", where, shown_argument(word));
    if (meant.empty())
        return fmt::format("{}; there are: {}. {}", said, fmt::join(names, ", "), pointer_to_help(group));
    return fmt::format("{}: did you mean {}? {}", said, meant, pointer_to_help(group));
}

std::string unexpected_argument(const CLI::App& command, const std::string& argument)
{
    if (!is_option(argument))
        return fmt::format("unexpected argument {}. {}", shown_argument(argument), pointer_to_help(command));
    const auto name = name_of(argument);
    const auto said = "unknown option " + name;
    const auto meant = nearest_word(without_dashes(name), option_names(command), options_people_try);
    if (meant)
        return fmt::format("{}: did you mean --{}? {}", said, *meant, pointer_to_help(command));
    const bool early = !command.get_subcommands({}).empty();
    return fmt::format("{}{}. {}", said, early ? ": a command's own options follow its name" : "",
                       pointer_to_help(command));
}

std::string shown_id(const std::string& id)
{
    return id.size() < 65 ? id : std::string{mask_key(id)};
}

std::string those_there(const std::string& id, const std::vector<std::string>& names)
{
    constexpr std::size_t few = 10;
    if (names.empty())
        return {};
    if (const auto meant = nearest_word(id, names))
        return fmt::format("; did you mean {}?", *meant);
    if (names.size() > few)
        return fmt::format("; there are {}", names.size());
    return fmt::format("; there {}: {}", names.size() == 1 ? "is" : "are", fmt::join(names, ", "));
}

bool has_option(const CLI::App& command, const std::string& argument)
{
    if (!is_option(argument))
        return false;
    const auto name = fmt::format("--{}", without_dashes(name_of(argument)));
    for (const auto* option : command.get_options({}))
        if (option->nonpositional() && option->check_name(name))
            return true;
    return false;
}

}  // namespace route::cli
