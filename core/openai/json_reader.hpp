#pragma once

#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

/// simdjson's on-demand parser as this room uses it: forward only, stopping at the first thing broken, no
/// exception.
namespace route::json {

using Object = simdjson::ondemand::object;
using Array = simdjson::ondemand::array;
using Value = simdjson::ondemand::value;
using Key = simdjson::ondemand::raw_json_string;

/// This thread's parser with room for a document of `size` bytes; for a large one a parser that dies with the
/// result, so that no thread keeps a large one's index.
class ParserLease
{
  public:
    explicit ParserLease(std::size_t size);
    simdjson::ondemand::parser& operator*() { return own_ ? *own_ : *shared_; }

  private:
    std::optional<simdjson::ondemand::parser> own_;
    simdjson::ondemand::parser* shared_ = nullptr;
};

/// Bytes that a ParserLease for a document of `size` bytes allocates and gives back; 0 where it uses this
/// thread's parser.
std::size_t parsing_memory(std::size_t size);

/// A copy of `text` with simdjson's padding behind it, valid until the next call on this thread.
std::string_view padded(std::string_view text);

/// The same with its escapes mended; and, where `all` is damaged, its bytes that are no UTF-8 and its control
/// characters.
std::string_view mended(std::string_view text, bool all);

/// Whether it says of a text that there is such damage.
inline bool is_damage(simdjson::error_code error)
{
    return error == simdjson::UTF8_ERROR || error == simdjson::UNESCAPED_CHARS;
}

/// Calls `read(object)` for the object that `text` holds; `text` has simdjson's padding behind it. Whether
/// the whole of it was one object, `read` went through all of it and was content. `opened` says what was
/// wrong with it before anything was read.
template <class Read>
bool read_object(std::string_view text, Read&& read, simdjson::error_code& opened)
{
    ParserLease parser{text.size()};
    simdjson::ondemand::document document;
    Object object;
    opened =
        (*parser).iterate(text.data(), text.size(), text.size() + simdjson::SIMDJSON_PADDING).get(document);
    if (opened != simdjson::SUCCESS)
        return false;
    if (document.get_object().get(object) != simdjson::SUCCESS)
        return false;
    // Behind the last token there is no location.
    return read(object) && document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

template <class Read>
bool read_object(std::string_view text, Read&& read)
{
    simdjson::error_code opened{};
    return read_object(text, read, opened);
}

/// As read_object(), without padding, of a text whose strings may be damaged: U+FFFD stands for broken UTF-8
/// and lone surrogates.
template <class Read>
bool read_damaged_object(std::string_view text, Read&& read)
{
    simdjson::error_code opened{};
    const bool whole = read_object(mended(text, false), read, opened);
    return is_damage(opened) ? read_object(mended(text, true), read) : whole;
}

/// Whether the value, not looked at before or found to be of another type, is JSON to its end: what is passed
/// over unread is only known to have its brackets in pairs. Of numbers only the characters are looked at.
bool is_valid(Value& value);

/// Whether `text`, with simdjson's padding behind it, is one whole array.
bool read_array(std::string_view text);

/// Calls `visit(key, value)` per member; false as soon as the JSON is broken or `visit` says false.
template <class Visit>
bool each_member(Object& object, Visit&& visit)
{
    for (auto result : object) {
        simdjson::ondemand::field field;
        if (std::move(result).get(field) != simdjson::SUCCESS || !visit(field.key(), field.value()))
            return false;
    }
    return true;
}

/// Calls `visit(object, position)` per element that is an object; false as soon as the JSON is broken or
/// `visit` says false.
template <class Visit>
bool each_object(Array& array, Visit&& visit)
{
    std::size_t position = 0;
    for (auto result : array) {
        Value element;
        if (std::move(result).get(element) != simdjson::SUCCESS)
            return false;
        Object object;
        if (element.get_object().get(object) == simdjson::SUCCESS && !visit(object, position))
            return false;
        ++position;
    }
    return true;
}

/// The text of a string, valid as long as the document; nothing for anything else. `broken` is set when it is
/// a string that is none.
std::optional<std::string_view> string_of(Value& value, bool& broken);

std::optional<std::int64_t> integer_of(Value& value);

/// Calls `read(object)` when the value is an object: where there is nothing, replies have null. False when it
/// is broken.
template <class Read>
bool if_object(Value& value, Read&& read)
{
    Object object;
    return value.get_object().get(object) != simdjson::SUCCESS || read(object);
}

/// Calls `visit(object, position)` per object in it when the value is an array. False when it is broken.
template <class Visit>
bool if_array(Value& value, Visit&& visit)
{
    Array array;
    return value.get_array().get(array) != simdjson::SUCCESS || each_object(array, visit);
}

/// Calls `take(text)` when the value is a string. False when it is broken.
template <class Take>
bool if_string(Value& value, Take&& take)
{
    bool broken = false;
    if (const auto text = string_of(value, broken))
        take(*text);
    return !broken;
}

/// Puts a string into `target`; anything else leaves it. False when it is broken.
inline bool into(std::string_view& target, Value& value)
{
    return if_string(value, [&](std::string_view text) { target = text; });
}

}  // namespace route::json
