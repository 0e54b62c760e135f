#include "core/openai/session_key.hpp"

#include <algorithm>

#include "core/openai/json_reader.hpp"
#include "core/text.hpp"

namespace route {
namespace {

constexpr std::string_view header_prefix = "header:";

/// Longer values are told apart by their beginning.
constexpr std::size_t most_of_value = 1024;

bool is_token_character(char c)
{
    // RFC 9110 5.6.2.
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}

std::string first_bytes_of(std::string_view value)
{
    return std::string{value.substr(0, most_of_value)};
}

std::string value_of(json::Value& value)
{
    const auto token = trim(value.raw_json_token());
    const bool number =
        !token.empty() && (token.front() == '-' || (token.front() >= '0' && token.front() <= '9'));
    if (number)
        return first_bytes_of(token);
    bool broken = false;
    const auto text = json::string_of(value, broken);
    return text ? first_bytes_of(*text) : std::string{};
}

/// The first of the sources, and which one.
struct Found
{
    std::size_t source;
    std::string value;
};

bool is_member(const std::string& source)
{
    return !source.starts_with(header_prefix);
}

/// Among the members of the body, of a source before `found`.
void look_into_body(const std::vector<std::string>& sources, std::string_view body, Found& found)
{
    const auto first = std::min(body.find_first_not_of(" \t\r\n"), body.size());
    if (first == body.size() || body[first] != '{')
        return;
    auto best = found;
    const auto read = [&](json::Object& object) {
        for (auto result : object) {
            simdjson::ondemand::field field;
            std::string_view name;
            if (std::move(result).get(field) != simdjson::SUCCESS ||
                field.unescaped_key().get(name) != simdjson::SUCCESS)
                return false;
            const auto source =
                std::find(sources.begin(), sources.begin() + static_cast<std::ptrdiff_t>(best.source), name);
            const auto place = static_cast<std::size_t>(source - sources.begin());
            if (place == best.source)
                continue;
            if (auto text = value_of(field.value()); !text.empty())
                best = {place, std::move(text)};
        }
        return true;
    };
    if (json::read_object(body, read))
        found = std::move(best);
}

}  // namespace

bool valid_session_source(std::string_view source)
{
    if (!source.starts_with(header_prefix))
        return !source.empty() && source.size() <= 256 &&
               std::all_of(source.begin(), source.end(), [](char c) { return c >= ' ' && c != 0x7f; });
    source.remove_prefix(header_prefix.size());
    return !source.empty() && std::all_of(source.begin(), source.end(), is_token_character);
}

std::optional<std::string> session_key(const std::vector<std::string>& sources, const HeaderFields& fields,
                                       std::string_view body)
{
    Found found{sources.size(), {}};
    for (std::size_t source = 0; source < found.source; ++source) {
        if (is_member(sources[source]))
            continue;
        const auto value = find_field(fields, std::string_view{sources[source]}.substr(header_prefix.size()));
        if (!value.empty())
            found = {source, first_bytes_of(value)};
    }
    const auto before = sources.begin() + static_cast<std::ptrdiff_t>(found.source);
    if (std::any_of(sources.begin(), before, is_member))
        look_into_body(sources, body, found);
    if (found.source == sources.size())
        return std::nullopt;
    return std::move(found.value);
}

}  // namespace route
