#include "app/cli/help_format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "app/cli/mistyped.hpp"

namespace route::cli {
namespace {

constexpr std::size_t line_width = 80;
constexpr std::size_t indent = 2;

using Rows = std::vector<std::pair<std::string, std::string>>;

std::string wrapped(std::string_view text, std::size_t margin)
{
    std::string result;
    std::size_t column = margin;
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        if (column > margin && column + 1 + end > line_width) {
            result += '\n' + std::string(margin, ' ');
            column = margin;
        }
        if (column > margin) {
            result += ' ';
            ++column;
        }
        result += text.substr(0, end);
        column += end;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return result + '\n';
}

std::string section(const std::string& title, const Rows& rows, std::size_t margin)
{
    if (rows.empty())
        return {};
    auto result = fmt::format("\n{}:\n", title);
    for (const auto& [name, text] : rows) {
        result += std::string(indent, ' ') + name;
        const auto used = indent + name.size();
        // A name that leaves no room has a line of its own.
        result += used + 2 > margin ? '\n' + std::string(margin, ' ') : std::string(margin - used, ' ');
        result += wrapped(text, margin);
    }
    return result;
}

std::string option_title(const CLI::Option& option)
{
    std::string names;
    for (const auto& name : option.get_snames())
        names += (names.empty() ? "-" : ", -") + name;
    for (const auto& name : option.get_lnames())
        names += (names.empty() ? "--" : ", --") + name;
    if (option.get_expected_max() > 0 && option.get_items_expected_max() > 0)
        names += ' ' + option.get_type_name();
    if (option.get_expected_max() > 1)
        names += "...";
    return names;
}

Rows options_of(const CLI::App& app)
{
    Rows rows;
    for (const auto* option : app.get_options({}))
        if (option->nonpositional() && option != app.get_help_ptr())
            rows.emplace_back(option_title(*option),
                              (option->get_required() ? "(required) " : "") + option->get_description());
    return rows;
}

Rows arguments_of(const CLI::App& app)
{
    Rows rows;
    for (const auto* option : app.get_options({}))
        if (option->get_positional())
            rows.emplace_back(option->get_name(true, false), option->get_description());
    return rows;
}

Rows commands_of(const CLI::App& app)
{
    Rows rows;
    for (const auto* command : app.get_subcommands({}))
        if (!command->get_group().empty())
            rows.emplace_back(command->get_name(), command->get_description());
    return rows;
}

std::string usage(const CLI::App& app)
{
    auto line = "Usage: " + path_of(app);
    if (!commands_of(app).empty())
        line += app.get_parent() == nullptr ? " [COMMAND]" : " COMMAND";
    for (const auto* option : app.get_options({}))
        if (option->get_positional())
            line += fmt::format(fmt::runtime(option->get_required() ? " {}{}" : " [{}{}]"),
                                option->get_name(true, false), option->get_expected_max() > 1 ? "..." : "");
    return line + " [OPTION]...\n";
}

std::size_t margin_for(const std::vector<Rows>& sections)
{
    constexpr std::size_t widest = 28;
    std::size_t width = 0;
    for (const auto& rows : sections)
        for (const auto& [name, text] : rows)
            width = std::max(width, name.size());
    return std::min(widest, indent + width + 2);
}

}  // namespace

std::string HelpFormat::make_help(const CLI::App* app, std::string /*name*/,
                                  CLI::AppFormatMode /*mode*/) const
{
    const auto* program = app;
    while (program->get_parent() != nullptr)
        program = program->get_parent();
    const auto arguments = arguments_of(*app);
    const auto own = program == app ? Rows{} : options_of(*app);
    const auto commands = commands_of(*app);
    auto common = options_of(*program);
    common.emplace_back("-h, --help", "Prints this");
    const auto margin = margin_for({arguments, own, commands, common});
    auto text = wrapped(app->get_description(), 0) + "\n" + usage(*app);
    text += section("Arguments", arguments, margin);
    text += section("Options", own, margin);
    text += section("Commands", commands, margin);
    text += section("Options of every command", common, margin);
    if (program == app)
        text += '\n' + app->get_footer() + '\n';
    return text;
}

}  // namespace route::cli
