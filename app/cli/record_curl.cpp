// A recorded request as a command for the shell.
#include <fmt/format.h>

#include "app/cli/commands.hpp"
#include "app/cli/mistyped.hpp"
#include "app/config/config_values.hpp"
#include "app/recorded_request.hpp"
#include "app/shell_text.hpp"

namespace route::cli {
namespace {

/// Where the router of this configuration is reached from its own machine.
std::string base_url(const ServerSettings& server)
{
    const auto address = parse_listen(server.listen);
    const auto port = address ? address->port : std::uint16_t{8888};
    auto host = address ? address->host : std::string{};
    if (host.empty() || host == "0.0.0.0" || host == "::")
        host = "localhost";
    else if (host.find(':') != std::string::npos)
        host = "[" + host + "]";
    return fmt::format("{}://{}:{}", server.certificate.empty() ? "http" : "https", host, port);
}

int curl(Session& session, const std::string& id)
{
    const auto found = session.database().find_record(id);
    if (!found)
        fail(fmt::format("there is no record {}", shown_id(id)));
    const auto& record = found->record;
    if (const auto missing = reason_not_sendable(record); !missing.empty())
        fail(fmt::format("record {} cannot be sent again: {}", shown_id(id), missing));
    auto& out = session.out;
    out << "curl " << (record.stream ? "-N " : "");
    if (record.method != (record.body.empty() ? "GET" : "POST"))
        out << "-X " << shell_quoted(record.method) << ' ';
    out << shell_quoted(base_url(session.configuration().settings.server) + record.path) << " \\\n"
        << "  -H \"Authorization: Bearer $OPENAI_API_KEY\"";
    if (const auto type = content_type_of(record); !type.empty())
        out << " \\\n  -H " << shell_quoted("Content-Type: " + type);
    if (!record.body.empty())
        out << " \\\n  --data-raw " << shell_quoted(record.body);
    out << '\n';
    return 0;
}

}  // namespace

void add_record_curl(Commands& record)
{
    auto& session = record.session();
    const auto id = std::make_shared<std::string>();
    auto& command = record.add("curl", "Prints a request as a curl command, with $OPENAI_API_KEY for the key",
                               [&session, id] { return curl(session, *id); });
    command.add_option("ID", *id, "Its number or request_id")->required();
}

}  // namespace route::cli
