#include "core/openai/request_facts.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "core/http/media_type.hpp"
#include "core/http/multipart.hpp"
#include "core/openai/json_reader.hpp"
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

/// The text of a string; nothing for anything else.
std::optional<std::string> text_of(json::Value& value, bool& broken)
{
    const auto text = json::string_of(value, broken);
    return text ? std::optional<std::string>{*text} : std::nullopt;
}

/// Of a longer token the beginning is enough: an escape of six characters stands for one byte at least.
constexpr std::size_t most_of_token = 6 * (max_model_name + 2) + 2;

/// What the beginning of a long string says; `token` begins with its quote. Nothing when it is broken.
std::optional<std::string> beginning_of(std::string_view token)
{
    std::size_t end = 1;
    while (end + 12 < most_of_token) {
        if (token[end] != '\\')
            ++end;
        else if (token[end + 1] != 'u')
            end += 2;
        else  // two such escapes can make one character
            end += token.substr(end + 2, 2).find_first_of("dD") == 0 && token[end + 6] == '\\' ? 12 : 6;
    }
    const auto text = std::string{without_split_end(token.substr(0, end))} + '"';
    boost::system::error_code error;
    const auto value = boost::json::parse(text, error);
    if (error || !value.is_string())
        return std::nullopt;
    return std::string{std::string_view{value.get_string()}};
}

/// Of members that are wanted; a body that repeats them beyond that is none that anybody means.
constexpr std::size_t most_noted = 256;

struct JsonFacts
{
    Reading reading = Reading::lenient;
    const MemberNames& wanted;
    MemberFinder finder;
    RequestFacts facts;
    int models = 0;
    bool other_letters = false;  ///< a `Model`

    /// `text` is the body the object stands in.
    bool read(json::Object& object, std::string_view text)
    {
        for (auto result : object) {
            simdjson::ondemand::field field;
            if (std::move(result).get(field) != simdjson::SUCCESS)
                return false;
            const bool strict = reading == Reading::strict;
            if (!wanted.empty())
                finder.next(static_cast<std::size_t>(field.key().raw() - 1 - text.data()));
            if (!strict && wanted.empty() && !may_matter(field.key()))
                continue;
            std::string_view key;
            if (field.unescaped_key().get(key) != simdjson::SUCCESS)
                return false;
            if (!wanted.empty() && wanted.find(key) != wanted.end()) {
                if (finder.noted() == most_noted)
                    return false;
                const auto token = field.value().raw_json_token();
                finder.note(key, static_cast<std::size_t>(token.data() - text.data()));
            }
            other_letters = other_letters || (strict && key != "model" && equal_ignoring_case(key, "model"));
            if (key == "model" && !read_model(field.value(), text))
                return false;
            if (key == "stream" && read_stream(field.value()))
                continue;
            const bool read = key == "model" && facts.model;
            // Readers that take comments and the like see other members where ours are passed over unread.
            if (strict && !read && !json::is_valid(field.value()))
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
        facts.model_cut = token.starts_with('"') && token.size() > most_of_token;
        const auto model = facts.model_cut ? beginning_of(token) : text_of(value, broken);
        if (facts.model_cut && !model)
            return false;
        if (model) {
            facts.model_cut = facts.model_cut || model->size() > max_model_name;
            facts.model = std::string{cut_utf8(*model, max_model_name)};
            facts.model_begin = static_cast<std::size_t>(token.data() - text.data());
            facts.model_end = facts.model_begin + token.size();
            facts.model_is_json = true;
        }
        return !broken;
    }

    /// Whether it was one of the values it should have.
    bool read_stream(json::Value& value)
    {
        facts.stream = false;
        return value.get_bool().get(facts.stream) == simdjson::SUCCESS;
    }
};

Result<RequestFacts> read_json_facts(std::string_view body, Reading reading, const MemberNames& wanted)
{
    JsonFacts json{reading, wanted, MemberFinder{body}, {}, 0, false};
    const bool whole = json::read_object(body, [&](json::Object& object) { return json.read(object, body); });
    if (json.models > 1)
        return Invalid{"two top-level 'model' members"};
    if (json.other_letters)
        return Invalid{"a top-level member is called 'model' in other letters"};
    if (json.finder.noted() == most_noted)
        return Invalid{"top-level members are repeated"};
    if (whole && !wanted.empty()) {
        json.facts.object_begin = body.find('{');
        json.facts.member_count = json.finder.count();
        json.facts.members = json.finder.finish();
    }
    if (whole)
        return std::move(json.facts);
    if (reading == Reading::strict)
        return Invalid{valid_utf8(body) ? "the body is no valid JSON" : "the body is no valid UTF-8"};
    return RequestFacts{};
}

/// What is said to be JSON and is no object, in which nobody can find a model.
Result<RequestFacts> read_other(std::string_view content_type, std::string_view rest)
{
    constexpr std::string_view mark = "\xef\xbb\xbf";
    if (rest.starts_with(mark))
        return Invalid{"the body begins with a byte order mark"};
    if (!is_json_type(content_type) || rest.empty())
        return RequestFacts{};
    if (rest.front() != '[' || !json::read_array(rest))
        return Invalid{"the body is no valid JSON object"};
    return RequestFacts{};
}

}  // namespace

Result<RequestFacts> read_request_facts(std::string_view content_type, std::string_view body, Reading reading,
                                        const MemberNames& wanted)
{
    if (equal_ignoring_case(media_type(content_type), "multipart/form-data")) {
        const auto boundary = field_parameter(content_type, "boundary");
        if (!boundary || boundary->empty())
            return RequestFacts{};
        return read_multipart_facts(*boundary, body);
    }
    const auto first = std::min(body.find_first_not_of(" \t\r\n"), body.size());
    if (first < body.size() && body[first] == '{')
        return read_json_facts(body, reading, wanted);
    if (reading == Reading::lenient)
        return RequestFacts{};
    return read_other(content_type, body.substr(first));
}

std::size_t facts_memory(std::size_t body_bytes)
{
    return json::parsing_memory(body_bytes);
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
