#include "core/openai/model_list.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

namespace route {

Result<std::vector<ListedModel>> read_model_list(std::string_view text)
{
    boost::system::error_code error;
    auto parsed = boost::json::parse(boost::json::string_view{text.data(), text.size()}, error);
    if (error)
        return Invalid{"no JSON"};
    auto* data = &parsed;
    if (auto* const object = parsed.if_object(); object != nullptr && object->contains("data"))
        data = &object->at("data");
    auto* const entries = data->if_array();
    if (entries == nullptr)
        return Invalid{"no list of models"};
    std::vector<ListedModel> models;
    for (auto& entry : *entries) {
        auto* const members = entry.if_object();
        const auto* const id = members != nullptr ? members->if_contains("id") : nullptr;
        if (id == nullptr || !id->is_string() || id->get_string().empty())
            continue;
        const auto& name = id->get_string();
        models.push_back({{name.data(), name.size()}, std::move(*members)});
    }
    return models;
}

ListedModel named_model(std::string_view id, std::string_view upstream)
{
    const boost::json::string_view owner{upstream.data(), upstream.size()};
    const boost::json::string_view name{id.data(), id.size()};
    return {std::string{id}, {{"id", name}, {"object", "model"}, {"created", 0}, {"owned_by", owner}}};
}

std::string write_model_list(const std::vector<ListedModel>& models)
{
    boost::json::array data;
    for (const auto& model : models)
        data.push_back(model.members);
    boost::json::object list{{"object", "list"}, {"data", std::move(data)}};
    list["first_id"] = nullptr;
    list["last_id"] = nullptr;
    if (!models.empty()) {
        list["first_id"] = models.front().id;
        list["last_id"] = models.back().id;
    }
    list["has_more"] = false;
    return boost::json::serialize(list);
}

}  // namespace route
