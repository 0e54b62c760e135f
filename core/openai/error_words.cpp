#include "core/openai/error_words.hpp"

#include <boost/json/parse.hpp>

#include "core/http/media_type.hpp"
#include "core/text.hpp"

namespace route {
namespace {

namespace boost_json = boost::json;

/// Messages are short; what is longer is not read as JSON, and its beginning only as text.
constexpr std::size_t most_json = 64u << 10;

const boost_json::value* member(const boost_json::value& value, boost_json::string_view name)
{
    const auto* object = value.if_object();
    return object == nullptr ? nullptr : object->if_contains(name);
}

std::string text_of(const boost_json::value* value)
{
    const auto* text = value == nullptr ? nullptr : value->if_string();
    return text == nullptr ? std::string{} : std::string{text->data(), text->size()};
}

/// The first of them that says something: `error` as an object or a string, `message`, `detail`.
std::string message_of(const boost_json::value& value)
{
    if (const auto* list = value.if_array())
        return list->empty() ? std::string{} : message_of(list->front());
    const auto* error = member(value, "error");
    if (error != nullptr && error->is_object())
        if (auto message = message_of(*error); !message.empty())
            return message;
    for (const auto* said : {error, member(value, "message"), member(value, "detail"), member(value, "msg")})
        if (auto message = text_of(said); !message.empty())
            return message;
    // Of a failed response, and of one of the choices.
    if (const auto* response = member(value, "response"); response != nullptr && response->is_object())
        return message_of(*response);
    if (const auto* choices = member(value, "choices"); choices != nullptr && choices->is_array())
        return message_of(*choices);
    const auto* detail = member(value, "detail");  // FastAPI's: a list of objects with `msg`
    return detail != nullptr && detail->is_array() ? message_of(*detail) : std::string{};
}

std::string in_one_line(std::string_view text)
{
    const auto clean = clean_utf8(std::string{cut_utf8(text, most_error_text)});
    std::string line;
    line.reserve(clean.size());
    for (const char c : clean) {
        const bool blank = (c >= 0 && c <= ' ') || c == 0x7f;
        if (!blank)
            line += c;
        else if (!line.empty() && line.back() != ' ')
            line += ' ';
    }
    if (line.ends_with(' '))
        line.pop_back();
    return line;
}

}  // namespace

std::string error_words(std::string_view content_type, std::string_view body)
{
    const auto text = trim(body);
    const bool may_be_json = text.starts_with('{') || text.starts_with('[');
    if (may_be_json && text.size() <= most_json) {
        boost::system::error_code error;
        const auto value = boost_json::parse(boost_json::string_view{text.data(), text.size()}, error);
        if (!error)
            if (const auto message = message_of(value); !message.empty())
                return in_one_line(message);
    }
    const auto beginning = cut_utf8(text, most_error_text);
    const bool textual =
        content_type.empty() ? valid_utf8(without_split_end(beginning)) : is_textual_type(content_type);
    return textual ? in_one_line(beginning) : std::string{};
}

std::string quote_words(std::string words, bool cut, std::span<const SecretEraser* const> erasers)
{
    erase_secrets(words, erasers, cut || words.size() >= most_error_text - 4);
    words.resize(cut_utf8(words, most_error_words).size());
    return words;
}

}  // namespace route
