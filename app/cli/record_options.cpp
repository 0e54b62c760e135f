#include "app/cli/record_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "app/cli/number_option.hpp"
#include "app/cli/session.hpp"
#include "app/cli/time_argument.hpp"

namespace route::cli {
namespace {

constexpr std::array<std::string_view, 6> outcomes{"ok",        "upstream_error", "timeout",
                                                   "truncated", "client_closed",  "rejected"};

}  // namespace

void declare_filters(CLI::App& command, RecordOptions& options)
{
    command.add_option("--since", options.since, "From: RFC 3339, a date (UTC), or 30m, 2h, 7d ago")
        ->type_name("TIME");
    command.add_option("--until", options.until, "Before: the same")->type_name("TIME");
    command.add_option("--model", options.model, "Model asked for")->type_name("NAME");
    command.add_option("--upstream", options.upstream, "Name of the upstream that answered")
        ->type_name("NAME");
    command.add_option("--key", options.key, "Name of the client key")->type_name("NAME");
    const auto set_status = [&options](std::int64_t status) {
        options.status = static_cast<unsigned>(status);
    };
    add_number(command, "--status", set_status, {100, 999}, "What the client got");
    const auto check_outcome = [](const std::string& name) {
        return std::find(outcomes.begin(), outcomes.end(), name) == outcomes.end()
                   ? fmt::format("expected one of {}", fmt::join(outcomes, ", "))
                   : std::string{};
    };
    command
        .add_option("--outcome", options.outcome,
                    "ok, upstream_error, timeout, truncated, client_closed or rejected")
        ->type_name("NAME")
        ->check(check_outcome);
    command.add_option("--grep", options.grep, "In request body, response or error")->type_name("TEXT");
}

void declare_bodies(CLI::App& command, RecordOptions& options)
{
    command.add_flag("--bodies", options.bodies, "With --json: bodies and responses, too");
}

SystemTime time_of_option(const char* option, const std::string& text)
{
    const auto time = parse_time(text, std::chrono::system_clock::now());
    if (time.has_error())
        wrong_usage(fmt::format("{}: expected {}", option, time.error().reason));
    return *time;
}

storage::RecordFilter record_filter(const RecordOptions& options)
{
    storage::RecordFilter filter;
    if (!options.since.empty())
        filter.since = time_of_option("--since", options.since);
    if (!options.until.empty())
        filter.until = time_of_option("--until", options.until);
    filter.model = options.model;
    filter.upstream = options.upstream;
    filter.key = options.key;
    if (options.status != 0)
        filter.status = options.status;
    filter.outcome = options.outcome;
    filter.grep = options.grep;
    filter.limit = options.limit;
    return filter;
}

}  // namespace route::cli
