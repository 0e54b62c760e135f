// What a whole JSON answer of each API has to have.
#include "core/openai/answer_signs.hpp"

#include <algorithm>
#include <string>

#include "core/openai/answer_parts.hpp"
#include "core/text.hpp"

namespace route {
namespace {

constexpr std::string_view leading_mark = "\xEF\xBB\xBF";

bool is_list(json::Value& value)
{
    return trim(value.raw_json_token()) == "[";
}

/// A list of numbers, a string of base64, or an object that has either as its `embedding`.
bool is_embedding(json::Value& value)
{
    json::Object object;
    if (value.get_object().get(object) != simdjson::SUCCESS)
        return is_filled(value);
    bool filled = false;
    json::each_member(object, [&](json::Key key, json::Value& member) {
        filled = filled || ((key == "embedding" || key == "embeddings") && is_filled(member));
        return true;
    });
    return filled;
}

bool has_embedding(json::Value& value)
{
    json::Array array;
    if (value.get_array().get(array) != simdjson::SUCCESS)
        return is_embedding(value);
    for (auto result : array) {
        json::Value element;
        if (std::move(result).get(element) != simdjson::SUCCESS)
            return false;
        if (is_embedding(element))
            return true;
    }
    return false;
}

/// Collects, member by member, what a reply has of an answer of its API.
class AnswerReader
{
  public:
    explicit AnswerReader(Api api) : api_{api} {}

    bool read(json::Object& object)
    {
        return json::each_member(object,
                                 [&](json::Key key, json::Value& value) { return read_member(key, value); });
    }

    Answer result() const
    {
        const bool response = response_.output || is_response_;
        if (error_ || response_.error || (response && failed_))
            return Answer::error;
        if (content_ || response_.content)
            return Answer::content;
        const auto ending = response ? std::max(ending_, response_.ending) : ending_;
        if (ending == Ending::excused)
            return Answer::content;
        return shape_ || response_.output ? Answer::blank : Answer::none;
    }

  private:
    bool read_member(json::Key key, json::Value& value)
    {
        if (key == "error") {
            error_ = error_ || is_filled(value);
            return true;
        }
        if (key == "type" || key == "object") {
            const auto text = written_string(value);
            error_ = error_ || text == "error";
            is_response_ = is_response_ || text == "response";
            return true;
        }
        switch (api_) {
            case Api::chat_completions:
            case Api::completions:
            case Api::responses:
            case Api::messages:
                return read_text_member(key, value);
            case Api::embeddings:
                if (key == "data" || key == "embeddings")
                    take(is_list(value), has_embedding(value));
                return true;
            case Api::images:
                if (key == "data" || key == "images")
                    take(is_list(value), has_content(value, Names::passed_over));
                return true;
            case Api::audio_speech:
                if (key == "audio" || key == "data")
                    take(is_list(value), has_content(value, Names::passed_over));
                return true;
            case Api::audio_transcriptions:
                // Of silence the text is empty.
                if (key == "text" || key == "segments" || key == "words")
                    take(is_list(value), value.raw_json_token().front() == '"' || is_filled(value));
                return true;
            case Api::moderations:
            case Api::rerank:
                if (key == "results" || key == "data")
                    take(is_list(value), is_filled(value));
                return true;
            case Api::other:
                return true;
        }
        return true;
    }

    /// What the four APIs of text have. One may answer in the shape of another.
    bool read_text_member(json::Key key, json::Value& value)
    {
        if (key == "choices")
            return json::if_array(value,
                                  [&](json::Object& object, std::size_t) { return read_choice(object); });
        if (key == "content") {
            take(is_list(value) || is_filled_string(value), has_content(value, Names::count));
        } else if (key == "stop_reason") {
            ending_ = std::max(ending_, ending_of(written_string(value)));
        } else if (key == "status") {
            const auto status = written_string(value);
            failed_ = status == "failed";
            response_.ending = ending_of_status(status);
        } else {
            read_response_member(key, value, response_);
        }
        return true;
    }

    bool read_choice(json::Object& object)
    {
        ChoiceSigns choice;
        if (!read_choice_signs(object, choice))
            return false;
        take(true, choice.content);
        error_ = error_ || choice.error;
        ending_ = std::max(ending_, choice.ending);
        return true;
    }

    void take(bool shape, bool content)
    {
        shape_ = shape_ || shape;
        content_ = content_ || content;
    }

    Api api_;
    bool shape_ = false;
    bool content_ = false;
    bool error_ = false;
    bool failed_ = false;
    bool is_response_ = false;
    Ending ending_ = Ending::none;
    ResponseSigns response_;
};

/// Some gateways put an error into a list; some rerankers and embedders answer with one.
Answer answer_in_list(Api api, std::string_view body)
{
    json::ParserLease parser{body.size()};
    const auto text = json::padded(body);
    simdjson::ondemand::document document;
    json::Array array;
    if ((*parser).iterate(text.data(), text.size(), text.size() + simdjson::SIMDJSON_PADDING).get(document) !=
            simdjson::SUCCESS ||
        document.get_array().get(array) != simdjson::SUCCESS)
        return Answer::none;
    bool filled = false;
    auto answer = Answer::none;
    for (auto result : array) {
        json::Value element;
        if (std::move(result).get(element) != simdjson::SUCCESS)
            return Answer::none;
        filled = true;
        json::Object object;
        AnswerReader reader{api};
        if (element.get_object().get(object) == simdjson::SUCCESS && reader.read(object) &&
            reader.result() == Answer::error)
            answer = Answer::error;
    }
    const bool whole = document.current_location().error() == simdjson::OUT_OF_BOUNDS;
    if (!whole || answer == Answer::error)
        return whole ? answer : Answer::none;
    const bool may_be_list = api == Api::rerank || api == Api::embeddings;
    return filled && may_be_list ? Answer::content : Answer::none;
}

/// Of broken UTF-8 and control characters the rest counts.
Answer answer_in_object(Api api, std::string_view body)
{
    AnswerReader reader{api};
    const auto read = [&](json::Object& object) { return reader.read(object); };
    simdjson::error_code opened{};
    bool whole = json::read_object(json::padded(body), read, opened);
    if (json::is_damage(opened))
        whole = json::read_object(json::mended(body, true), read);
    return whole ? reader.result() : Answer::none;
}

}  // namespace

Answer answer_in(Api api, std::string_view body)
{
    if (body.starts_with(leading_mark))
        body.remove_prefix(leading_mark.size());
    body = trim(body);
    if (body.starts_with('['))
        return answer_in_list(api, body);
    return body.starts_with('{') ? answer_in_object(api, body) : Answer::none;
}

}  // namespace route
