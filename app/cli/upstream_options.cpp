#include "app/cli/upstream_options.hpp"

#include "app/cli/number_option.hpp"
#include "app/config/config_values.hpp"

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

std::map<std::string, std::string> renames(const Texts& values)
{
    std::map<std::string, std::string> result;
    for (const auto& value : values) {
        const auto equals = value.find('=');
        if (equals == 0 || equals == std::string::npos || equals + 1 == value.size())
            wrong_usage("--rename: expected FROM=TO");
        result[value.substr(0, equals)] = value.substr(equals + 1);
    }
    return result;
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
           add ? "Share within equal priority when the order is random; default 1"
               : "Share within equal priority when the order is random");
    seconds(command, "--timeout", options.timeout, "Until its response headers; 0: the general ones");
    seconds(command, "--stream-timeout", options.stream_timeout, "The same for streams; 0: as --timeout");
    list(command, "--allow", options.allow, "MODEL", "Only these models or paths (with *); no value: all");
    list(command, "--deny", options.deny, "MODEL", "Never these; no value: none");
    list(command, "--rename", options.rename, "FROM=TO", "Ask for model TO instead of FROM; no value: none");
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
        definition.rename = renames(*options.rename);
        definition.unreadable.erase("rename");
    }
    if (options.disabled)
        definition.enabled = false;
}

}  // namespace route::cli
