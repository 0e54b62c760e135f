#include "core/openai/made_ids.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "core/openai/json_reader.hpp"
#include "core/openai/named_ids.hpp"
#include "core/openai/resource_path.hpp"
#include "core/text.hpp"

namespace route {

namespace {

/// Deeper members of a reply hold no ids.
constexpr int most_levels_of_reply = 16;

/// What is done to one thing that makes another or ends with one.
constexpr std::array<std::string_view, 5> making_actions{"complete", "cancel", "remix", "edits", "extend"};

class MadeIds
{
  public:
    MadeIds(Making making, IdHashes& ids) : making_{making}, ids_{ids} {}

    /// A whole reply, or the object that an event holds of it.
    bool read(json::Object& object, bool listed = false)
    {
        bool stored = true;
        IdHash own{};
        bool has_own = false;
        const bool whole = json::each_member(object, [&](const json::Key& key, json::Value value) {
            if (key == "id")
                return json::if_string(value, [&](std::string_view id) { has_own = hash(id, own); });
            if (key == "store") {
                bool says = true;
                stored = value.get_bool().get(says) != simdjson::SUCCESS || says;
                return true;
            }
            return read_member(key, value, listed);
        });
        if (has_own && making_ != Making::message && (stored || making_ != Making::response))
            add(own);
        return whole && ids_.size() < most_made_ids;
    }

    /// The container of an item of a response's output.
    bool read_item(json::Object& item)
    {
        return json::each_member(item, [&](const json::Key& key, json::Value value) {
            return key != "container_id" || read_id(value);
        });
    }

    /// A block of a message's content.
    bool read_block(json::Object& block)
    {
        return json::each_member(block, [&](const json::Key& key, json::Value value) {
            return key == "input" || read_files(value, 0);
        });
    }

    bool read_holder(json::Value& value)
    {
        simdjson::ondemand::json_type type{};
        if (value.type().get(type) != simdjson::SUCCESS)
            return false;
        if (type == simdjson::ondemand::json_type::string)
            return read_id(value);
        return json::if_object(value, [&](json::Object& holder) {
            return json::each_member(holder, [&](const json::Key& key, json::Value member) {
                return key != "id" || read_id(member);
            });
        });
    }

  private:
    bool read_member(const json::Key& key, json::Value& value, bool listed)
    {
        if (making_ == Making::message)
            return key == "container" ? read_holder(value) : key != "content" || read_files(value, 0);
        if (key == "conversation" || key == "file")
            return read_holder(value);
        if (key == "output_file_id" || key == "error_file_id" || key == "thread_id")
            return read_id(value);
        if (key == "result_files")
            return read_list(value);
        if (key == "data" && making_ == Making::thing && !listed)
            return json::if_array(value, [&](json::Object& each, std::size_t) { return read(each, true); });
        if (key == "output" && making_ == Making::response)
            return json::if_array(value, [&](json::Object& item, std::size_t) { return read_item(item); });
        return true;
    }

    bool read_list(json::Value& value)
    {
        json::Array array;
        if (value.get_array().get(array) != simdjson::SUCCESS)
            return true;
        for (auto element : array) {
            json::Value each;
            if (std::move(element).get(each) != simdjson::SUCCESS || !read_id(each))
                return false;
        }
        return true;
    }

    /// Files anywhere in the content of a message, but for what a tool was called with.
    bool read_files(json::Value& value, int level)
    {
        simdjson::ondemand::json_type type{};
        if (value.type().get(type) != simdjson::SUCCESS)
            return false;
        if (level > most_levels_of_reply)
            return true;
        if (type == simdjson::ondemand::json_type::object)
            return json::if_object(value, [&](json::Object& object) {
                return json::each_member(object, [&](const json::Key& key, json::Value member) {
                    if (key == "file_id")
                        return read_id(member);
                    return key == "input" || read_files(member, level + 1);
                });
            });
        json::Array array;
        if (type != simdjson::ondemand::json_type::array || value.get_array().get(array) != simdjson::SUCCESS)
            return true;
        for (auto element : array) {
            json::Value each;
            if (std::move(element).get(each) != simdjson::SUCCESS || !read_files(each, level + 1))
                return false;
        }
        return true;
    }

    /// False when there are enough.
    bool read_id(json::Value& value)
    {
        constexpr std::size_t most_looked_at = 1000;  // many times the same one, too
        return json::if_string(value,
                               [&](std::string_view id) {
                                   IdHash hashed;
                                   if (hash(id, hashed))
                                       add(hashed);
                               }) &&
               ids_.size() < most_made_ids && ++looked_at_ < most_looked_at;
    }

    static bool hash(std::string_view id, IdHash& hashed)
    {
        if (id.empty() || id.size() > longest_id)
            return false;
        hashed = hash_id(id);
        return true;
    }

    void add(const IdHash& id)
    {
        if (ids_.size() < most_made_ids && std::find(ids_.begin(), ids_.end(), id) == ids_.end())
            ids_.push_back(id);
    }

    Making making_;
    IdHashes& ids_;
    std::size_t looked_at_ = 0;
};

/// Reads an object as far as it goes: where it breaks off it is closed, for the parser wants to see an end.
template <class Read>
void read_as_far_as_it_goes(std::string_view text, Read&& read)
{
    simdjson::error_code opened{};
    const auto try_to = [&](std::string_view all) {
        json::read_object(json::mended(all, false), read, opened);
        if (json::is_damage(opened))
            json::read_object(json::mended(all, true), read, opened);
    };
    text = trim(text);
    if (!text.starts_with('{'))
        return;
    if (text.ends_with('}')) {
        try_to(text);
        if (opened != simdjson::UNCLOSED_STRING)
            return;
    }
    auto closed = std::string{without_split_end(text)};
    try_to(closed + '}');
    if (opened != simdjson::UNCLOSED_STRING)
        return;
    closed.resize(closed.find_last_not_of('\\') + 1);
    try_to(closed + "\"}");
}

/// Of the type that its line says, or its data as servers without such lines write it.
bool is_event(const SseEvent& event, std::string_view type)
{
    if (!event.type.empty())
        return event.type == type;
    constexpr std::size_t beginning = 128;
    const auto found = event.data.substr(0, beginning).find(type);
    return found != std::string_view::npos && event.data.substr(found + type.size()).starts_with('"');
}

/// Reads the object that is the member `name` of an event's data.
template <class Read>
void read_member_of_event(const SseEvent& event, std::string_view name, Read&& read)
{
    read_as_far_as_it_goes(event.data, [&](json::Object& object) {
        return json::each_member(object, [&](const json::Key& key, json::Value value) {
            return key != name || json::if_object(value, read);
        });
    });
}

void add_ids_of_response_event(const SseEvent& event, MadeIds& made)
{
    if (is_event(event, "response.created"))
        read_member_of_event(event, "response", [&](json::Object& object) { return made.read(object); });
    else if (is_event(event, "response.output_item.done") &&
             event.data.find("\"container_id\"") != event.data.npos)
        read_member_of_event(event, "item", [&](json::Object& item) { return made.read_item(item); });
}

void add_ids_of_message_event(const SseEvent& event, MadeIds& made)
{
    const auto reads = [&](json::Object& object) { return made.read(object); };
    if (is_event(event, "message_start") && event.data.find("\"container\"") != event.data.npos)
        read_member_of_event(event, "message", reads);
    else if (is_event(event, "message_delta") && event.data.find("\"container\"") != event.data.npos)
        read_member_of_event(event, "delta", reads);
    else if (is_event(event, "content_block_start") && event.data.find("\"file_id\"") != event.data.npos)
        read_member_of_event(event, "content_block",
                             [&](json::Object& block) { return made.read_block(block); });
}

}  // namespace

Making making_of(std::string_view method, std::string_view path)
{
    if (method != "POST" && method != "GET" && method != "PUT" && method != "PATCH")
        return Making::nothing;
    const ResourcePath resource{path};
    const auto& segments = resource.segments;
    if (segments[0] == "messages" && segments[1].empty() && method == "POST")
        return Making::message;
    const auto collection = resource.collection();
    if (collection == 0)
        return Making::nothing;
    if (segments[0] == "threads" && (segments[1] == "runs" || segments[2] == "runs"))
        return method == "POST" ? Making::run : Making::nothing;
    const auto& action = segments[collection + 1];
    const bool acts = method == "POST" && segments[collection + 2].empty() &&
                      std::find(making_actions.begin(), making_actions.end(), action) != making_actions.end();
    if (!action.empty() && !acts)
        return Making::nothing;
    return segments[0] == "responses" ? Making::response : Making::thing;
}

void add_made_ids(Making making, std::string_view json, IdHashes& ids)
{
    if (making == Making::nothing)
        return;
    const bool rare = making == Making::message;  // most hold none
    if (rare && json.find("\"container\"") == json.npos && json.find("\"file_id\"") == json.npos)
        return;
    MadeIds made{making, ids};
    read_as_far_as_it_goes(json, [&](json::Object& object) { return made.read(object); });
}

void add_made_ids(Making making, const SseEvent& event, IdHashes& ids)
{
    if (making == Making::nothing || !event.is_new())
        return;
    MadeIds made{making, ids};
    if (making == Making::response)
        add_ids_of_response_event(event, made);
    else if (making == Making::message)
        add_ids_of_message_event(event, made);
    else if (is_event(event, "thread.created") || is_event(event, "thread.run.created"))
        read_as_far_as_it_goes(event.data, [&](json::Object& object) { return made.read(object); });
}

}  // namespace route
