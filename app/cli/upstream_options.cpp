#include "app/cli/upstream_options.hpp"

#include "app/cli/number_option.hpp"
#include "app/config/config_values.hpp"
#include "core/settings.hpp"

namespace route::cli {
namespace {

CLI::Option* text(CLI::App& command, const char* name, std::optional<std::string>& target, const char* type,
                  const char* description)
{
    const auto assign = [&target](const std::string& value) { target = value; };
    return command.add_option_function<std::string>(name, assign, description)->type_name(type);
}

void number(CLI::App& command, const char* name, std::optional<int>& target, int least,
            const char* description)
{
    const auto assign = [&target](std::int64_t value) { target = static_cast<int>(value); };
    add_number(command, name, assign, {least, most_priority_or_weight}, description);
}

void seconds(CLI::App& command, const char* name, std::optional<double>& target, const char* description)
{
    add_seconds(command, name, [&target](double value) { target = value; }, description);
}

using Texts = std::vector<std::string>;

/// Takes any number of values, none too; an empty one counts as none.
void list(CLI::App& command, const char* name, std::optional<Texts>& target, const char* type,
          const char* description)
{
    const auto assign = [&target](const Texts& values) {
        target.emplace();
        for (const auto& value : values)
            if (!value.empty())
                target->push_back(value);
    };
    command.add_option_function<Texts>(name, assign, description)
        ->type_name(type)
        ->expected(0, -1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

/// 0 is "none of its own".
std::optional<Seconds> own_timeout(double seconds)
{
    if (seconds == 0)
        return std::nullopt;
    return Seconds{seconds};
}

/// What stands before the '=' of each and what behind it, which may be nothing where `empty` says so.
std::map<std::string, std::string> pairs(const Texts& values, const char* expected, bool empty = false)
{
    std::map<std::string, std::string> result;
    for (const auto& value : values) {
        const auto equals = value.find('=');
        if (equals == 0 || equals == std::string::npos || (equals + 1 == value.size() && !empty))
            wrong_usage(expected);
        result[value.substr(0, equals)] = value.substr(equals + 1);
    }
    return result;
}

void declare_needs(CLI::App& command, UpstreamOptions& options)
{
    const auto retries = [&options](std::optional<std::int64_t> value) {
        options.retries = value ? std::optional{static_cast<int>(*value)} : std::nullopt;
    };
    add_number_or_none(command, "--retries", retries, {0, most_tries},
                       "Further tries in place of failover.retries; '' for that");
    add_seconds_or_none(
        command, "--first-content-timeout",
        [&options](std::optional<double> value) { options.first_content_timeout = value; },
        "In place of timeouts.first_content, 0: no limit; '' for that");
    add_seconds_or_none(
        command, "--hedge-after", [&options](std::optional<double> value) { options.hedge_after = value; },
        "In place of failover.hedge_after, 0: never; '' for that");
    number(command, "--max-in-flight", options.max_in_flight, 0,
           "Tried last while it has as many requests; 0: no limit");
    list(command, "--headers,--header", options.headers, "NAME=VALUE",
         "Sent in place of the client's; env:NAME and file:PATH as for --sk; NAME= withholds it; no value: "
         "none");
    list(command, "--set", options.set, "NAME=JSON",
         "Top-level member of a JSON body, replaced or added; no value: none");
    list(command, "--unset", options.unset, "NAME", "Member that is taken away; no value: none");
    text(command, "--key-header", options.key_header, "NAME",
         "Where its key goes, such as api-key; '' for where the client put its own");
}

std::optional<Seconds> limit(std::optional<double> seconds)
{
    return seconds ? std::optional{Seconds{*seconds}} : std::nullopt;
}

void apply_needs(const UpstreamOptions& options, UpstreamDefinition& definition)
{
    if (options.retries)
        definition.retries = *options.retries;
    if (options.first_content_timeout)
        definition.first_content_timeout = limit(*options.first_content_timeout);
    if (options.hedge_after)
        definition.hedge_after = limit(*options.hedge_after);
    if (options.max_in_flight)
        definition.max_in_flight = *options.max_in_flight;
    if (options.headers) {
        definition.headers =
            pairs(*options.headers, "--headers: expected NAME=VALUE, or NAME= to withhold it", true);
        definition.unreadable.erase("headers");
    }
    if (options.set) {
        definition.set = pairs(*options.set, "--set: expected NAME=JSON");
        definition.unreadable.erase("set");
    }
    if (options.unset) {
        definition.unset = *options.unset;
        definition.unreadable.erase("unset");
    }
    if (options.key_header)
        definition.key_header = *options.key_header;
}

}  // namespace

CLI::Option* declare(CLI::App& command, UpstreamOptions& options, OptionsFor command_kind)
{
    const bool add = command_kind == OptionsFor::add;
    auto* sk = text(command, "--sk", options.sk, "KEY",
                    "Its key; - reads standard input, env:NAME and file:PATH are stored as such, "
                    "asis passes the client's own key on");
    text(command, "--endpoint", options.endpoint, "URL",
         add ? "Default: https://api.openai.com/v1" : "Such as https://api.openai.com/v1");
    text(command, "--name", options.name, "NAME", add ? "Default: upstream-ID" : "'' for upstream-ID");
    number(command, "--priority", options.priority, -most_priority_or_weight,
           add ? "Lower is tried first; default 0" : "Lower is tried first");
    number(command, "--weight", options.weight, 0,
           add ? "Share within equal priority, when failover.order goes by it; default 1"
               : "Share within equal priority, when failover.order goes by it");
    seconds(command, "--timeout", options.timeout, "Until its response headers; 0: the general ones");
    seconds(command, "--stream-timeout", options.stream_timeout, "The same for streams; 0: as --timeout");
    list(command, "--allow", options.allow, "MODEL", "Only these models or paths (with *); no value: all");
    list(command, "--deny", options.deny, "MODEL", "Never these; no value: none");
    list(command, "--rename", options.rename, "FROM=TO", "Ask for model TO instead of FROM; no value: none");
    declare_needs(command, options);
    text(command, "--proxy", options.proxy, "URL",
         "http://[USER:PASSWORD@]HOST:PORT, env:NAME or file:PATH that holds it, direct for none; '' for the "
         "general one");
    command.add_flag("--disabled", options.disabled, "Not to be used for now");
    return sk;
}

void apply(Session& session, const UpstreamOptions& options, UpstreamDefinition& definition)
{
    if (options.proxy)
        definition.proxy = *options.proxy;
    if (options.sk)
        definition.sk = *options.sk == "-" ? session.read_secret() : *options.sk;
    if (options.endpoint)
        definition.endpoint = *options.endpoint;
    if (options.name)
        definition.name = *options.name;
    if (options.priority)
        definition.priority = *options.priority;
    if (options.weight)
        definition.weight = *options.weight;
    if (options.timeout)
        definition.timeout = own_timeout(*options.timeout);
    if (options.stream_timeout)
        definition.stream_timeout = own_timeout(*options.stream_timeout);
    if (options.allow) {
        definition.allow = *options.allow;
        definition.unreadable.erase("allow");
    }
    if (options.deny) {
        definition.deny = *options.deny;
        definition.unreadable.erase("deny");
    }
    if (options.rename) {
        definition.rename = pairs(*options.rename, "--rename: expected FROM=TO");
        definition.unreadable.erase("rename");
    }
    apply_needs(options, definition);
    if (options.disabled)
        definition.enabled = false;
}

}  // namespace route::cli
