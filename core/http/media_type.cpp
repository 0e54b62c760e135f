#include "core/http/media_type.hpp"

#include <algorithm>
#include <array>

#include "core/text.hpp"

namespace route {
namespace {

bool ends_with_ignoring_case(std::string_view text, std::string_view end)
{
    return text.size() >= end.size() && equal_ignoring_case(text.substr(text.size() - end.size()), end);
}

/// Takes a quoted string, its first quote already gone, off the front of `rest`. Only quote and backslash are
/// taken as escaped: browsers send file names with plain backslashes.
std::string take_quoted(std::string_view& rest)
{
    std::string value;
    while (!rest.empty() && rest.front() != '"') {
        if (rest.front() == '\\' && rest.size() > 1 && (rest[1] == '"' || rest[1] == '\\'))
            rest.remove_prefix(1);
        value += rest.front();
        rest.remove_prefix(1);
    }
    rest.remove_prefix(std::min(rest.find(';'), rest.size()));
    return value;
}

}  // namespace

std::string_view media_type(std::string_view content_type)
{
    return trim(content_type.substr(0, content_type.find(';')));
}

bool is_json_type(std::string_view content_type)
{
    const auto type = media_type(content_type);
    return equal_ignoring_case(type, "application/json") || ends_with_ignoring_case(type, "+json");
}

bool is_textual_type(std::string_view content_type)
{
    static constexpr std::array<std::string_view, 13> textual{
        "application/xml",        "application/x-ndjson",     "application/ndjson",
        "application/jsonl",      "application/x-jsonlines",  "application/jsonlines",
        "application/json-seq",   "application/yaml",         "application/x-yaml",
        "application/javascript", "application/x-javascript", "application/x-www-form-urlencoded",
        "application/x-subrip",
    };
    const auto type = media_type(content_type);
    return starts_with_ignoring_case(type, "text/") || is_json_type(type) ||
           ends_with_ignoring_case(type, "+xml") ||
           std::any_of(textual.begin(), textual.end(),
                       [&](std::string_view known) { return equal_ignoring_case(type, known); });
}

std::optional<std::string> field_parameter(std::string_view field, std::string_view name)
{
    auto rest = field.substr(std::min(field.find(';'), field.size()));
    while (!rest.empty()) {
        rest.remove_prefix(1);
        const auto key_end = std::min(rest.find_first_of("=;"), rest.size());
        const auto key = trim(rest.substr(0, key_end));
        rest.remove_prefix(key_end);
        if (rest.empty() || rest.front() == ';')
            continue;
        rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n", 1), rest.size()));
        std::string value;
        if (!rest.empty() && rest.front() == '"') {
            rest.remove_prefix(1);
            value = take_quoted(rest);
        } else {
            const auto end = std::min(rest.find(';'), rest.size());
            value = trim(rest.substr(0, end));
            rest.remove_prefix(end);
        }
        if (equal_ignoring_case(key, name))
            return value;
    }
    return std::nullopt;
}

}  // namespace route
