#include "notify/json_reply.hpp"

#include <boost/json/parse.hpp>

#include "core/text.hpp"

namespace route::notify {

namespace json = boost::json;

namespace {

json::string_view as_json(std::string_view text)
{
    return {text.data(), text.size()};
}

}  // namespace

std::optional<json::object> json_object_in(std::string_view body)
{
    boost::system::error_code failed;
    auto value = json::parse(as_json(body), failed);
    if (failed || !value.is_object())
        return std::nullopt;
    return std::move(value.get_object());
}

std::optional<std::int64_t> number_of(const json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(as_json(name));
    if (value == nullptr || !value->is_number())
        return std::nullopt;
    boost::system::error_code inexact;
    const auto number = value->to_number<std::int64_t>(inexact);
    return inexact ? std::nullopt : std::optional{number};
}

std::string text_of(const json::object& object, std::string_view name)
{
    const auto* value = object.if_contains(as_json(name));
    if (value == nullptr || !value->is_string())
        return {};
    return escape_for_log(std::string_view{value->get_string()});
}

}  // namespace route::notify
