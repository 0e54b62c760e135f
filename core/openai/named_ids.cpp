#include "core/openai/named_ids.hpp"

#include <algorithm>
#include <array>

#include "core/http/request_path.hpp"
#include "core/openai/api.hpp"
#include "core/openai/json_reader.hpp"
#include "core/openai/resource_path.hpp"

namespace route {

namespace {

/// What only its upstream knows; before `_id` or `_ids` at the end of a member's name.
constexpr std::array<std::string_view, 6> made_things{
    "file", "response", "vector_store", "assistant", "container", "skill",
};

/// Their members are people's or programs' own.
constexpr std::array<std::string_view, 7> passed_over{
    "metadata", "parameters", "input_schema", "properties", "schema", "json_schema", "arguments",
};

/// Whose member `id` is one of a thing made: `"conversation": {"id": …}`.
constexpr std::array<std::string_view, 4> holders{"conversation", "container", "source", "video"};

/// The longest name that is looked at.
constexpr std::size_t longest_member = 40;

/// Bodies of requests are as deep as this only to do harm.
constexpr int most_levels = 64;

template <class Array>
bool is_one_of(const Array& names, std::string_view name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// Whether a name that goes on with `_id` is that of a thing made. `name` may be more than the name: what
/// stands before it is no letter then.
bool ends_as_thing(std::string_view name)
{
    return std::any_of(made_things.begin(), made_things.end(), [name](std::string_view thing) {
        if (!name.ends_with(thing))
            return false;
        const auto before = name.size() - thing.size();
        return before == 0 || name[before - 1] == '_' || name[before - 1] == '"';
    });
}

bool names_thing(std::string_view name)
{
    if (name.ends_with("_ids"))
        name.remove_suffix(1);
    if (!name.ends_with("_id"))
        return false;
    name.remove_suffix(3);
    return ends_as_thing(name);
}

/// Whether there may be such a member: cheap, and wrong only of names with escapes.
bool may_name_ids(std::string_view body, bool chats)
{
    for (auto at = body.find('_'); at != body.npos; at = body.find('_', at + 1)) {
        const auto rest = body.substr(at);
        if (rest.starts_with("_id") ? ends_as_thing(body.substr(0, at)) : rest.starts_with("_file\""))
            return true;
    }
    constexpr std::array<std::string_view, 3> others{"\"conversation\"", "\"container\"", "\"video\""};
    return !chats && std::any_of(others.begin(), others.end(),
                                 [body](std::string_view name) { return body.find(name) != body.npos; });
}

/// The name of a member as it is written, if it is short enough to be one that counts.
std::string_view name_of(const json::Key& key)
{
    const char* const begin = key.raw();
    const auto* const end = std::find(begin, begin + longest_member, '"');
    return {begin, static_cast<std::size_t>(end - begin)};
}

class BodyIds
{
  public:
    BodyIds(Api api, IdHashes& ids) : api_{api}, ids_{ids} {}

    /// False when it is broken, or there is enough.
    bool read(json::Object& object, std::string_view holder, int level)
    {
        return json::each_member(object, [&](const json::Key& key, json::Value value) {
            const auto name = name_of(key);
            if (name == "id" ? is_one_of(holders, holder) : is_named_here(name, level))
                return take(value, name, level);
            if (is_one_of(passed_over, name) || (name == "input" && api_ == Api::messages))
                return true;
            return descend(value, name, level);
        });
    }

  private:
    static bool is_named_here(std::string_view name, int level)
    {
        if (name == "conversation")
            return level == 0;
        return name == "container" || name == "training_file" || name == "validation_file" ||
               names_thing(name);
    }

    bool take(json::Value& value, std::string_view name, int level)
    {
        simdjson::ondemand::json_type type{};
        if (value.type().get(type) != simdjson::SUCCESS)
            return false;
        if (type != simdjson::ondemand::json_type::string)
            return descend(value, name, level, true);
        constexpr int most_looked_at = 64;  // many times the same one, too
        return json::if_string(value, [&](std::string_view id) { add(id); }) &&
               ids_.size() < most_named_ids && ++looked_at_ < most_looked_at;
    }

    /// `listed`: strings of a list are ids.
    bool descend(json::Value& value, std::string_view name, int level, bool listed = false)
    {
        simdjson::ondemand::json_type type{};
        if (value.type().get(type) != simdjson::SUCCESS)
            return false;
        if (level >= most_levels)
            return true;
        if (type == simdjson::ondemand::json_type::object)
            return json::if_object(value,
                                   [&](json::Object& object) { return read(object, name, level + 1); });
        json::Array array;
        if (type != simdjson::ondemand::json_type::array || value.get_array().get(array) != simdjson::SUCCESS)
            return true;
        for (auto element : array) {
            json::Value each;
            if (std::move(element).get(each) != simdjson::SUCCESS)
                return false;
            if (!(listed ? take(each, name, level + 1) : descend(each, name, level + 1)))
                return false;
        }
        return true;
    }

    void add(std::string_view id)
    {
        if (id.empty() || id.size() > longest_id || id == "auto" || id == "none")
            return;
        const auto hash = hash_id(id);
        if (!is_one_of(ids_, hash))
            ids_.push_back(hash);
    }

    static bool is_one_of(const auto& all, const auto& one)
    {
        return std::find(all.begin(), all.end(), one) != all.end();
    }

    Api api_;
    IdHashes& ids_;
    int looked_at_ = 0;
};

void add_ids_of_path(std::string_view path, IdHashes& ids)
{
    const ResourcePath resource{path};
    if (resource.collection() == 0)
        return;
    for (std::size_t segment = 0; segment < ResourcePath::most_segments; ++segment) {
        const auto id = resource.segments[segment];
        if (!resource.is_id(segment) || id.size() > longest_id)
            continue;
        ids.push_back(hash_id(decoded_path(id)));
    }
}

}  // namespace

IdHashes named_ids(std::string_view method, std::string_view path, std::string_view body)
{
    IdHashes ids;
    const auto api = api_of(method, path);
    if (!answers(api))
        add_ids_of_path(path, ids);
    if (api == Api::embeddings || api == Api::rerank || api == Api::moderations)
        return ids;  // what they hold is people's own
    const auto begin = std::min(body.find_first_not_of(" \t\r\n"), body.size());
    if (begin == body.size() || body[begin] != '{')
        return ids;
    const bool chats = answers(api) && api != Api::responses && api != Api::messages;
    if (!may_name_ids(body, chats))
        return ids;
    BodyIds reader{api, ids};
    json::read_object(body, [&](json::Object& object) { return reader.read(object, {}, 0); });
    return ids;
}

}  // namespace route
