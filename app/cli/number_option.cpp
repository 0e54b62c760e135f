#include "app/cli/number_option.hpp"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "app/config/config_values.hpp"

namespace route::cli {
namespace {

template <class T>
std::optional<T> number_in(const std::string& text)
{
    T number{};
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end)
        return std::nullopt;
    return number;
}

enum class None
{
    refused,
    taken  ///< ''
};

template <class T>
CLI::Option* add(CLI::App& command, const char* name, std::function<void(std::optional<T>)> assign, T least,
                 T most, const std::string& expected, const char* description, None none = None::refused)
{
    const auto check = [least, most, expected, none](const std::string& text) -> std::string {
        if (text.empty() && none == None::taken)
            return "";
        const auto number = number_in<T>(text);
        // Written so that what is not a number is not in between.
        const bool valid = number && *number >= least && *number <= most;
        return valid ? "" : "expected " + expected;
    };
    const auto take = [assign = std::move(assign)](const std::string& text) { assign(number_in<T>(text)); };
    return command.add_option_function<std::string>(name, take, description)->check(check);
}

std::string expected_number(NumberRange range)
{
    return range.most == NumberRange{}.most
               ? fmt::format("a whole number, {} or more", range.least)
               : fmt::format("a whole number from {} to {}", range.least, range.most);
}

constexpr auto expected_seconds = "a number of seconds, 0 or more";

/// For an option that always has a value.
template <class T>
std::function<void(std::optional<T>)> always(std::function<void(T)> assign)
{
    return [assign = std::move(assign)](std::optional<T> value) { assign(*value); };
}

}  // namespace

CLI::Option* add_number(CLI::App& command, const char* name, std::function<void(std::int64_t)> assign,
                        NumberRange range, const char* description)
{
    return add(command, name, always(std::move(assign)), range.least, range.most, expected_number(range),
               description)
        ->type_name("N");
}

CLI::Option* add_seconds(CLI::App& command, const char* name, std::function<void(double)> assign,
                         const char* description)
{
    return add(command, name, always(std::move(assign)), 0.0, longest_seconds, expected_seconds, description)
        ->type_name("SECONDS");
}

CLI::Option* add_number_or_none(CLI::App& command, const char* name,
                                std::function<void(std::optional<std::int64_t>)> assign, NumberRange range,
                                const char* description)
{
    return add(command, name, std::move(assign), range.least, range.most, expected_number(range) + " or ''",
               description, None::taken)
        ->type_name("N");
}

CLI::Option* add_seconds_or_none(CLI::App& command, const char* name,
                                 std::function<void(std::optional<double>)> assign, const char* description)
{
    return add(command, name, std::move(assign), 0.0, longest_seconds,
               expected_seconds + std::string{" or ''"}, description, None::taken)
        ->type_name("SECONDS");
}

void add_limit(CLI::App& command, std::size_t& limit, const char* description)
{
    const auto assign = [&limit](std::int64_t number) { limit = static_cast<std::size_t>(number); };
    add_number(command, "--limit", assign, {}, description);
}

}  // namespace route::cli
