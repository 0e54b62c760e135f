#include "core/request_facts.hpp"

#include <boost/json/serialize.hpp>

#include "core/json_reader.hpp"
#include "core/media_type.hpp"
#include "core/multipart.hpp"
#include "core/text.hpp"

namespace route {
namespace {

static_assert(body_padding >= simdjson::SIMDJSON_PADDING);

/// Only a key that begins with the first letter of one we look for, or with an escape, is worth decoding.
bool may_matter(const json::Key& key)
{
    const char first = key.raw()[0];
    return first == 'm' || first == 's' || first == '\\';
}

struct JsonFacts
{
    RequestFacts facts;
    int models = 0;

    /// `text` is the body the object stands in.
    bool read(json::Object& object, std::string_view text)
    {
        for (auto result : object) {
            simdjson::ondemand::field field;
            if (std::move(result).get(field) != simdjson::SUCCESS)
                return false;
            if (!may_matter(field.key()))
                continue;
            std::string_view key;
            if (field.unescaped_key().get(key) != simdjson::SUCCESS)
                return false;
            if (key == "model" && !read_model(field.value(), text))
                return false;
            if (key == "stream" && !read_stream(field.value()))
                return false;
        }
        return true;
    }

    bool read_model(json::Value& value, std::string_view text)
    {
        if (++models > 1)
            return false;
        const auto token = trim(value.raw_json_token());
        bool broken = false;
        if (const auto model = json::string_of(value, broken)) {
            facts.model = std::string{*model};
            facts.model_begin = static_cast<std::size_t>(token.data() - text.data());
            facts.model_end = facts.model_begin + token.size();
            facts.model_is_json = true;
        }
        return !broken;
    }

    bool read_stream(json::Value& value)
    {
        facts.stream = false;
        bool stream = false;
        if (value.get_bool().get(stream) == simdjson::SUCCESS)
            facts.stream = stream;
        return true;
    }
};

Result<RequestFacts> read_json_facts(std::string_view body)
{
    JsonFacts json;
    const bool whole = json::read_object(body, [&](json::Object& object) { return json.read(object, body); });
    if (json.models > 1)
        return Invalid{"two top-level 'model' members"};
    if (!whole)
        return RequestFacts{};
    return std::move(json.facts);
}

}  // namespace

Result<RequestFacts> read_request_facts(std::string_view content_type, std::string_view body)
{
    if (equal_ignoring_case(media_type(content_type), "multipart/form-data")) {
        const auto boundary = field_parameter(content_type, "boundary");
        if (!boundary || boundary->empty())
            return RequestFacts{};
        return read_multipart_facts(*boundary, body);
    }
    const auto first = body.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || body[first] != '{')
        return RequestFacts{};
    return read_json_facts(body);
}

std::string rename_model(std::string_view body, const RequestFacts& facts, std::string_view model)
{
    std::string value{model};
    if (facts.model_is_json)
        value = boost::json::serialize(boost::json::string_view{model.data(), model.size()});
    std::string renamed;
    renamed.reserve(body.size() - (facts.model_end - facts.model_begin) + value.size() + body_padding);
    renamed.append(body.substr(0, facts.model_begin));
    renamed.append(value);
    renamed.append(body.substr(facts.model_end));
    return renamed;
}

}  // namespace route
