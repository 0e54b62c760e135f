// The facts of a request's body, and the body with another model. An input is the Content-Type on a line of
// its own, then the body.
#include "core/openai/request_facts.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/string.hpp>

#include "core/http/media_type.hpp"
#include "core/openai/named_ids.hpp"
#include "core/openai/resource_path.hpp"
#include "tests/fuzz/input.hpp"

using namespace route;
using namespace route::fuzz;

namespace {

bool is_multipart(std::string_view content_type)
{
    std::string type{media_type(content_type)};
    for (auto& c : type)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    return type == "multipart/form-data";
}

void check_places(const RequestFacts& facts, std::string_view body)
{
    if (!facts.model)
        return;
    require(facts.model_begin <= facts.model_end && facts.model_end <= body.size(),
            "the model lies in the body");
    const auto value = body.substr(facts.model_begin, facts.model_end - facts.model_begin);
    if (!facts.model_is_json) {
        require_equal(value, *facts.model, "the model of a form is what stands in the body");
        return;
    }
    require(value.size() >= 2 && value.front() == '"' && value.back() == '"',
            "the model of JSON is a string");
    boost::system::error_code error;
    const auto string = boost::json::parse({value.data(), value.size()}, error);
    require(!error && string.is_string(), "the model is one JSON string");
    require_equal({string.as_string().data(), string.as_string().size()}, *facts.model,
                  "the model is what the string says");
}

/// What another JSON parser finds in a body that it takes for valid.
void check_against_other_parser(const RequestFacts& facts, std::string_view body)
{
    boost::system::error_code error;
    const auto value = boost::json::parse({body.data(), body.size()}, error);
    if (error || !value.is_object())
        return;
    const auto* model = value.as_object().if_contains("model");
    require((model != nullptr && model->is_string()) == facts.model.has_value(),
            "a model is found where there is one");
    const auto* stream = value.as_object().if_contains("stream");
    require((stream != nullptr && stream->is_bool() && stream->get_bool()) == facts.stream,
            "a stream is asked for where it says so");
}

void check_renaming(const RequestFacts& facts, std::string_view content_type, std::string_view body)
{
    if (!facts.model || facts.model->empty())
        return;  // no upstream renames what has no name
    constexpr std::string_view other = "other \"model\" \\ 1";
    auto renamed = rename_model(body, facts, other);
    require(renamed.size() >= other.size(), "the other model is there");
    require_equal(std::string_view{renamed}.substr(0, facts.model_begin), body.substr(0, facts.model_begin),
                  "what is before the model stays");
    const auto behind = body.substr(facts.model_end);
    require(std::string_view{renamed}.ends_with(behind), "what is behind the model stays");
    renamed.reserve(renamed.size() + body_padding);
    const auto again = read_request_facts(content_type, renamed);
    require(again && again->model.has_value(), "a renamed body still has a model");
    require_equal(*again->model, other, "a renamed body has the other model");
    require(again->stream == facts.stream, "renaming changes nothing else");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    constexpr std::string_view fills{"}]\",{: \0", 8};
    Input input{data, size};
    const auto fill = fills[size % fills.size()];
    const Bytes content_type{input.take_line()};
    const Bytes body{input.bytes(), body_padding, fill};
    for (const char* path : {"/v1/responses", "/v1/messages", "/v1/batches"})
        require(named_ids("POST", path, body.view()).size() <= most_named_ids, "so many named ids count");
    require(named_ids("GET", content_type.view(), {}).size() <= ResourcePath::most_segments,
            "a path names one thing a segment");
    const auto facts = read_request_facts(content_type.view(), body.view());
    if (!facts)
        return 0;
    check_places(*facts, body.view());
    if (!is_multipart(content_type.view()))
        check_against_other_parser(*facts, body.view());
    check_renaming(*facts, content_type.view(), body.view());
    return 0;
}
