#include "core/openai/model_list.hpp"

#include <boost/json/serialize.hpp>
#include <unordered_set>
#include <utility>

#include "core/openai/json_members.hpp"
#include "core/openai/json_reader.hpp"
#include "core/text.hpp"

namespace route {
namespace {

std::string quoted_json(std::string_view text)
{
    return boost::json::serialize(boost::json::string_view{text.data(), text.size()});
}

/// Takes the models out of JSON that is known to be valid; each name once.
class ModelReader
{
  public:
    explicit ModelReader(std::vector<ListedModel>& models) : models_{models} {}

    /// False when there are too many.
    bool read(json::Array& array)
    {
        std::size_t elements = 0;
        const bool whole = json::each_object(array, [&](json::Object& object, std::size_t position) {
            elements = position + 1;
            return elements <= most_listed_models && add(object);
        });
        return whole || elements <= most_listed_models;
    }

  private:
    bool add(json::Object& object)
    {
        ListedModel model;
        std::string_view token;
        const bool read = json::each_member(object, [&](json::Key key, json::Value value) {
            if (!token.empty() || key != "id")
                return json::is_valid(value);
            const auto written = value.raw_json_token();
            return json::if_string(value, [&](std::string_view id) {
                model.id = id;
                token = trim(written);
            });
        });
        std::string_view text;
        if (!read || object.reset().error() != simdjson::SUCCESS ||
            object.raw_json().get(text) != simdjson::SUCCESS)
            return false;
        if (model.id.empty() || !known_.insert(model.id).second)
            return true;
        model.json = trim(text);
        model.id_begin = static_cast<std::size_t>(token.data() - text.data());
        model.id_end = model.id_begin + token.size();
        models_.push_back(std::move(model));
        return true;
    }

    std::vector<ListedModel>& models_;
    std::unordered_set<std::string> known_;
};

/// The array that is the list, of a document of valid JSON.
bool find_list(simdjson::ondemand::document& document, json::Array& list)
{
    if (document.get_array().get(list) == simdjson::SUCCESS)
        return true;
    json::Object object;
    return document.get_object().get(object) == simdjson::SUCCESS &&
           object.find_field_unordered("data").get_array().get(list) == simdjson::SUCCESS;
}

}  // namespace

Result<std::vector<ListedModel>> read_model_list(std::string_view text)
{
    if (!is_json(text))
        return Invalid{"no JSON"};
    const auto body = json::padded(text);
    json::ParserLease parser{body.size()};
    simdjson::ondemand::document document;
    json::Array list;
    const auto capacity = body.size() + simdjson::SIMDJSON_PADDING;
    if ((*parser).iterate(body.data(), body.size(), capacity).get(document) != simdjson::SUCCESS ||
        !find_list(document, list))
        return Invalid{"no list of models"};
    std::vector<ListedModel> models;
    if (!ModelReader{models}.read(list))
        return Invalid{"a list of more than 20,000 models"};
    return models;
}

ListedModel named_model(std::string_view id, std::string_view upstream)
{
    ListedModel model;
    model.id = id;
    model.json = "{\"id\":";
    model.id_begin = model.json.size();
    model.json += quoted_json(id);
    model.id_end = model.json.size();
    model.json += R"(,"object":"model","created":0,"owned_by":)" + quoted_json(upstream) + '}';
    return model;
}

ListedModel renamed_model(const ListedModel& model, std::string_view name)
{
    auto other = model;
    const auto quoted = quoted_json(name);
    other.id = name;
    other.json.replace(other.id_begin, other.id_end - other.id_begin, quoted);
    other.id_end = other.id_begin + quoted.size();
    return other;
}

std::string write_model_list(const std::vector<ListedModel>& models)
{
    std::string list = R"({"object":"list","data":[)";
    for (const auto& model : models)
        list.append(&model == models.data() ? "" : ",").append(model.json);
    const auto first = models.empty() ? "null" : quoted_json(models.front().id);
    const auto last = models.empty() ? "null" : quoted_json(models.back().id);
    return list + R"(],"first_id":)" + first + R"(,"last_id":)" + last + R"(,"has_more":false})";
}

}  // namespace route
