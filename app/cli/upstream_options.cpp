#include "app/cli/upstream_options.hpp"

#include "app/unavailable.hpp"

namespace route::cli {
namespace {

template <class T>
CLI::Option* optional(CLI::App& command, const char* name, std::optional<T>& target, const char* type,
                      const char* description)
{
    return command.add_option_function<T>(
                      name, [&target](const T& value) { target = value; }, description)
        ->type_name(type);
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

CLI::Option* declare(CLI::App& command, UpstreamOptions& options)
{
    auto* sk = optional(command, "--sk", options.sk, "KEY",
                        "Its key; - reads standard input, env:NAME and file:PATH are stored as such, "
                        "asis passes the client's own key on");
    optional(command, "--endpoint", options.endpoint, "URL", "Default: https://api.openai.com/v1");
    optional(command, "--name", options.name, "NAME", "Default: upstream-ID ('' on set)");
    optional(command, "--priority", options.priority, "N", "Lower is tried first; default 0");
    optional(command, "--weight", options.weight, "N",
             "Share within equal priority when the order is random; default 1");
    optional(command, "--timeout", options.timeout, "SECONDS",
             "Until its response headers; 0: the general ones")
        ->check(CLI::NonNegativeNumber);
    optional(command, "--stream-timeout", options.stream_timeout, "SECONDS",
             "The same for streams; 0: as --timeout")
        ->check(CLI::NonNegativeNumber);
    list(command, "--allow", options.allow, "MODEL", "Only these models or paths (with *); no value: all");
    list(command, "--deny", options.deny, "MODEL", "Never these; no value: none");
    list(command, "--rename", options.rename, "FROM=TO", "Ask for model TO instead of FROM; no value: none");
    optional(command, "--proxy", options.proxy, "URL", "http://HOST:PORT; '' for none");
    command.add_flag("--disabled", options.disabled, "Not to be used for now");
    return sk;
}

void apply(Session& session, const UpstreamOptions& options, UpstreamDefinition& definition)
{
    if (options.proxy) {
        if (const auto available = check_available("upstreams.proxy", *options.proxy); available.has_error())
            fail("--proxy: " + available.error().reason);
        definition.proxy = *options.proxy;
    }
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
