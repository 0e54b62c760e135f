#include "storage/upstream_columns.hpp"

#include <boost/json.hpp>
#include <map>
#include <vector>

#include "core/openai/json_members.hpp"

namespace route::storage {

namespace {

namespace json = boost::json;

void read_json(std::string_view text, std::vector<std::string>& list)
{
    const auto value = json::parse(text);
    for (const auto& item : value.as_array())
        list.emplace_back(item.as_string().c_str());
}

void read_json(std::string_view text, std::map<std::string, std::string>& map)
{
    const auto value = json::parse(text);
    for (const auto& [from, to] : value.as_object())
        map.emplace(std::string{std::string_view{from}}, to.as_string().c_str());
}

/// Strings, and null or "" for what is withheld.
std::map<std::string, std::string> read_headers(std::string_view text)
{
    std::map<std::string, std::string> headers;
    const auto value = json::parse(text);
    for (const auto& [name, content] : value.as_object())
        headers.emplace(std::string{std::string_view{name}},
                        content.is_null() ? "" : content.as_string().c_str());
    return headers;
}

std::string write_headers(const std::map<std::string, std::string>& headers)
{
    json::object object;
    for (const auto& [name, value] : headers)
        object[name] = value.empty() ? json::value(nullptr) : json::value(value);
    return json::serialize(object);
}

/// Calls `function` with the member the column stands for.
template <class Definition, class F>
auto with_column(Definition& definition, std::string_view column, F&& function)
{
    if (column == "allow")
        return function(definition.allow);
    if (column == "deny")
        return function(definition.deny);
    if (column == "unset")
        return function(definition.unset);
    return function(definition.rename);
}

}  // namespace

void read_json_column(UpstreamDefinition& definition, const char* column, std::string_view text)
{
    if (text.empty())
        return;
    if (column == std::string_view{"set"}) {
        if (auto members = read_members(text))
            definition.set = *std::move(members);
        else
            definition.unreadable.emplace(column, text);
        return;
    }
    if (column == std::string_view{"headers"}) {
        try {
            definition.headers = read_headers(text);
        } catch (const std::exception&) {
            definition.unreadable.emplace(column, text);
        }
        return;
    }
    with_column(definition, column, [&](auto& member) {
        try {
            std::remove_reference_t<decltype(member)> value;
            read_json(text, value);
            member = std::move(value);
        } catch (const std::exception&) {
            definition.unreadable.emplace(column, text);
        }
    });
}

std::string json_column(const UpstreamDefinition& definition, const char* column)
{
    if (const auto unreadable = definition.unreadable.find(column); unreadable != definition.unreadable.end())
        return unreadable->second;
    if (column == std::string_view{"set"})
        return write_members(definition.set);
    if (column == std::string_view{"headers"})
        return write_headers(definition.headers);
    return with_column(definition, column,
                       [](const auto& member) { return json::serialize(json::value_from(member)); });
}

}  // namespace route::storage
