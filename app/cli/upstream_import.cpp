#include "app/upstream_import.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <system_error>

#include "app/cli/commands.hpp"
#include "app/cli/upstream_lookup.hpp"

namespace route::cli {
namespace {

std::string read_all(std::istream& in)
{
    return {std::istreambuf_iterator<char>{in}, {}};
}

std::string read_file(const std::string& path)
{
    std::ifstream in{path, std::ios::binary};
    std::string text;
    // A directory opens, and fails only when it is read.
    if (in.is_open() && in.peek() != std::ifstream::traits_type::eof())
        text = read_all(in);
    if (!in.is_open() || in.bad())
        fail(fmt::format("{}: cannot be read: {}", path, std::generic_category().message(errno)));
    return text;
}

/// Writes what is to be written; from then on added ones have their id.
void carry_out(Session& session, std::vector<ImportStep>& steps)
{
    std::vector<UpstreamDefinition> written;
    std::vector<std::int64_t*> ids;
    for (auto& step : steps) {
        if (step.kind != ImportStep::Kind::add && step.kind != ImportStep::Kind::change)
            continue;
        written.push_back(step.definition);
        ids.push_back(&step.definition.id);
    }
    if (written.empty())
        return;
    const auto given = session.database().write_upstreams(written);
    for (std::size_t i = 0; i < given.size(); ++i)
        *ids[i] = given[i];
}

void tell(Session& session, const ImportStep& step)
{
    const auto& definition = step.definition;
    const auto name = effective_name(definition);
    switch (step.kind) {
        case ImportStep::Kind::add:
            session.out << fmt::format("added upstream {}: {}\n", definition.id, name);
            break;
        case ImportStep::Kind::change:
            session.out << fmt::format("changed upstream {}: {} ({})\n", definition.id, name,
                                       fmt::join(step.fields, ", "));
            break;
        case ImportStep::Kind::keep:
            session.out << fmt::format("unchanged upstream {}: {}\n", definition.id, name);
            return;
        case ImportStep::Kind::foreign:
            session.out << fmt::format("left alone: {} is changed only in {}\n", name,
                                       session.configuration().file);
            return;
    }
    warn_of_unresolvable_secrets(session, definition);
}

int import(Session& session, const std::string& path)
{
    auto& database = session.database_to_begin();
    const bool from_input = path == "-";
    const auto file = from_input ? std::string{"standard input"} : path;
    const auto filed = parse_upstreams(from_input ? read_all(session.in) : read_file(path), file);
    if (filed.has_error())
        fail(filed.error());
    auto steps = plan_import(*filed, database.upstreams(), session.configuration().settings.upstreams, file);
    if (steps.has_error())
        fail(describe(steps.error()));
    carry_out(session, *steps);
    for (const auto& step : *steps)
        tell(session, step);
    if (steps->empty())
        session.out << fmt::format("no upstream in {}\n", file);
    return 0;
}

}  // namespace

void add_upstream_import(Commands& upstream)
{
    auto& session = upstream.session();
    const auto file = std::make_shared<std::string>();
    auto& command =
        upstream.add("import", "Adds and changes upstreams as a file of [[upstreams]] says; others stay",
                     [&session, file] { return import(session, *file); });
    command.add_option("FILE", *file, "What `upstream export` wrote; - reads standard input")->required();
}

}  // namespace route::cli
