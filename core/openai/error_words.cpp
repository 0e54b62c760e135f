#include "core/openai/error_words.hpp"

#include <algorithm>
#include <array>
#include <boost/json/parse.hpp>
#include <optional>

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

std::optional<boost_json::value> parse_short(std::string_view text)
{
    const bool may_be_json = text.starts_with('{') || text.starts_with('[');
    if (!may_be_json || text.size() > most_json)
        return std::nullopt;
    boost::system::error_code error;
    auto value = boost_json::parse(boost_json::string_view{text.data(), text.size()}, error);
    if (error)
        return std::nullopt;
    return value;
}

/// The object that describes the error: `error`, also of a response or of one of the choices, else the whole.
const boost_json::value& error_of(const boost_json::value& value)
{
    if (const auto* list = value.if_array(); list != nullptr && !list->empty())
        return error_of(list->front());
    for (const auto* inner : {member(value, "error"), member(value, "response"), member(value, "choices")})
        if (inner != nullptr && (inner->is_object() || inner->is_array()))
            return error_of(*inner);
    return value;
}

/// `Rate-Limit` -> `rate_limit`.
std::string normalized(std::string_view word)
{
    std::string text{word};
    for (auto& c : text)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c == '-' || c == ' ' ? '_' : c;
    return text;
}

bool contains_any(std::string_view text, std::span<const std::string_view> words)
{
    return std::any_of(words.begin(), words.end(),
                       [&](auto word) { return text.find(word) != std::string_view::npos; });
}

/// A word of OpenAI, Anthropic, Google, or of those who speak like them.
bool word_may_pass(std::string_view word)
{
    static constexpr std::array<std::string_view, 8> passing{
        "overload",       "rate_limit",  "too_many_requests", "server_error",
        "internal_error", "unavailable", "exhausted",         "api_error"};
    static constexpr std::array<std::string_view, 6> statuses{"429", "500", "502", "503", "504", "529"};
    return contains_any(word, passing) || word == "internal" ||
           std::find(statuses.begin(), statuses.end(), word) != statuses.end();
}

std::string word_of(const boost_json::value* value)
{
    if (value != nullptr && value->is_int64())
        return std::to_string(value->get_int64());
    return normalized(text_of(value));
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
    if (const auto value = parse_short(text))
        if (const auto message = message_of(*value); !message.empty())
            return in_one_line(message);
    const auto beginning = cut_utf8(text, most_error_text);
    const bool textual =
        content_type.empty() ? valid_utf8(without_split_end(beginning)) : is_textual_type(content_type);
    return textual ? in_one_line(beginning) : std::string{};
}

bool error_may_pass(std::string_view body)
{
    const auto value = parse_short(trim(body));
    if (!value)
        return false;
    const auto& error = error_of(*value);
    bool passes = false;
    for (const auto* said : {member(error, "type"), member(error, "code"), member(error, "status")}) {
        const auto word = word_of(said);
        if (word.find("quota") != std::string::npos)
            return false;
        passes = passes || word_may_pass(word);
    }
    return passes;
}

std::string quote_words(std::string words, bool cut, std::span<const SecretEraser* const> erasers)
{
    erase_secrets(words, erasers, cut || words.size() >= most_error_text - 4);
    words.resize(cut_utf8(words, most_error_words).size());
    return words;
}

}  // namespace route
