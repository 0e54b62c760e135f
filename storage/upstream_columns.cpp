#include "storage/upstream_columns.hpp"

#include <boost/json.hpp>
#include <map>
#include <vector>

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

/// Calls `function` with the member the column stands for.
template <class Definition, class F>
auto with_column(Definition& definition, std::string_view column, F&& function)
{
    if (column == "allow")
        return function(definition.allow);
    if (column == "deny")
        return function(definition.deny);
    return function(definition.rename);
}

}  // namespace

void read_json_column(UpstreamDefinition& definition, const char* column, std::string_view text)
{
    if (text.empty())
        return;
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
    return with_column(definition, column,
                       [](const auto& member) { return json::serialize(json::value_from(member)); });
}

}  // namespace route::storage
