#include "app/cli/arguments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>

#include "app/cli/session.hpp"

namespace route::cli {
namespace {

constexpr std::array<std::string_view, 3> switches{"add", "list", "noauth"};
constexpr std::array<std::string_view, 5> with_value{"addr", "config", "database", "endpoint", "sk"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& names, std::string_view name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// As Go's strconv.ParseBool.
std::optional<bool> parse_bool(std::string_view text)
{
    constexpr std::array<std::string_view, 6> yes{"1", "t", "T", "true", "TRUE", "True"};
    constexpr std::array<std::string_view, 6> no{"0", "f", "F", "false", "FALSE", "False"};
    if (contains(yes, text))
        return true;
    if (contains(no, text))
        return false;
    return std::nullopt;
}

using Flags = std::map<std::string, std::string, std::less<>>;

/// The flags, or nothing when something else is among them: the command line is in the new form then. A
/// switch that is off is left out.
std::optional<Flags> read_flags(const std::vector<std::string>& arguments)
{
    Flags flags;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        std::string_view argument = arguments[i];
        const auto dashes = std::min(argument.find_first_not_of('-'), argument.size());
        if (dashes < 1 || dashes > 2)
            return std::nullopt;
        argument.remove_prefix(dashes);
        const auto equals = argument.find('=');
        const std::string name{argument.substr(0, equals)};
        std::optional<std::string> value;
        if (equals != std::string_view::npos)
            value = argument.substr(equals + 1);
        if (contains(switches, name)) {
            const auto on = parse_bool(value.value_or("true"));
            if (!on)
                return std::nullopt;
            if (*on)
                flags[name] = "";
            else
                flags.erase(name);
        } else if (contains(with_value, name)) {
            if (!value && ++i == arguments.size())
                return std::nullopt;
            flags[name] = value ? *value : arguments[i];
        } else {
            return std::nullopt;
        }
    }
    return flags;
}

/// v0.3.0 ignored the path of an endpoint and used /v1.
std::string endpoint_as_meant(const std::string& endpoint)
{
    const auto scheme = endpoint.find("://");
    const auto path = endpoint.find('/', scheme == std::string::npos ? 0 : scheme + 3);
    return path == std::string::npos ? endpoint : endpoint.substr(0, path) + "/v1";
}

/// `--name=` as two arguments: what follows would be taken for the value otherwise.
std::vector<std::string> with_empty_values(const std::vector<std::string>& arguments)
{
    std::vector<std::string> result;
    for (const auto& argument : arguments) {
        if (argument.size() > 3 && argument.starts_with("--") && argument.find('=') == argument.size() - 1) {
            result.push_back(argument.substr(0, argument.size() - 1));
            result.emplace_back();
        } else {
            result.push_back(argument);
        }
    }
    return result;
}

}  // namespace

std::vector<std::string> modern_arguments(const std::vector<std::string>& arguments)
{
    const auto flags = read_flags(arguments);
    if (!flags)
        return with_empty_values(arguments);
    std::vector<std::string> result;
    const auto pass = [&](const std::string& name) {
        const auto flag = flags->find(name);
        if (flag == flags->end())
            return;
        result.push_back("--" + name);
        if (contains(with_value, name))
            result.push_back(name == "endpoint" ? endpoint_as_meant(flag->second) : flag->second);
    };
    if (flags->contains("add")) {
        result = {"upstream", "add"};
        pass("sk");
        pass("endpoint");
    } else if (flags->contains("list")) {
        result = {"upstream", "list"};
    } else {
        // Serving without what was meant to be added would be mistaken for having added it.
        for (const char* name : {"sk", "endpoint"})
            if (flags->contains(name))
                wrong_usage(fmt::format(
                    "-{} is for adding an upstream: -add -sk KEY, or upstream add --sk KEY", name));
        result = {"serve"};
        pass("addr");
        pass("noauth");
    }
    pass("config");
    pass("database");
    return result;
}

}  // namespace route::cli
