#include "core/openai/json_reader.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "core/openai/json_mender.hpp"
#include "core/text.hpp"

namespace route::json {
namespace {

constexpr std::size_t smallest_kept = 16u << 10;
constexpr std::size_t largest_kept = 1u << 20;

std::span<char> padded_copy(std::string_view text)
{
    thread_local std::vector<char> buffer;
    if (text.size() + simdjson::SIMDJSON_PADDING > buffer.size() || buffer.size() > largest_kept * 2) {
        buffer.clear();
        buffer.shrink_to_fit();
        buffer.resize(std::bit_ceil(text.size() + simdjson::SIMDJSON_PADDING));
    }
    if (!text.empty())
        std::memcpy(buffer.data(), text.data(), text.size());
    std::memset(buffer.data() + text.size(), ' ', simdjson::SIMDJSON_PADDING);
    return {buffer.data(), text.size()};
}

}  // namespace

ParserLease::ParserLease(std::size_t size)
{
    thread_local simdjson::ondemand::parser parser;
    if (size > largest_kept) {
        own_.emplace();
        return;
    }
    shared_ = &parser;
    if (parser.capacity() >= size && parser.capacity() > 0)
        return;
    // A failure shows again, as an error, when the document is opened.
    [[maybe_unused]] const auto error =
        parser.allocate(std::max(std::bit_ceil(size), smallest_kept), parser.max_depth());
}

std::size_t parsing_memory(std::size_t size)
{
    if (size <= largest_kept)
        return 0;
    // What dom_parser_implementation::set_capacity and ondemand::parser::allocate ask for, rounded up.
    constexpr std::size_t rounding = 1024;
    return size * sizeof(std::uint32_t) + size * 5 / 3 + rounding;
}

std::string_view padded(std::string_view text)
{
    const auto copy = padded_copy(text);
    return {copy.data(), copy.size()};
}

std::string_view mended(std::string_view text, bool all)
{
    std::string clean;
    if (all) {
        clean = text;
        blank_controls(clean);
        text = clean = clean_utf8(std::move(clean));
    }
    const auto copy = padded_copy(text);
    mend_escapes(copy, false);
    return {copy.data(), copy.size()};
}

namespace {

bool is_valid_scalar(std::string_view token)
{
    token = token.substr(0, token.find_last_not_of(" \t\r\n") + 1);
    if (token == "true" || token == "false" || token == "null" || token.starts_with('"'))
        return true;
    return !token.empty() && token.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
}

bool is_valid_array(Array& array)
{
    for (auto element : array) {
        Value value;
        if (std::move(element).get(value) != simdjson::SUCCESS || !is_valid(value))
            return false;
    }
    return true;
}

}  // namespace

bool is_valid(Value& value)
{
    Object object;
    Array array;
    simdjson::ondemand::json_type type{};
    if (value.type().get(type) != simdjson::SUCCESS)
        return false;
    if (type == simdjson::ondemand::json_type::object)
        return value.get_object().get(object) == simdjson::SUCCESS &&
               each_member(object, [](const Key&, Value member) { return is_valid(member); });
    if (type == simdjson::ondemand::json_type::array)
        return value.get_array().get(array) == simdjson::SUCCESS && is_valid_array(array);
    return is_valid_scalar(value.raw_json_token());
}

bool read_array(std::string_view text)
{
    ParserLease parser{text.size()};
    simdjson::ondemand::document document;
    Array array;
    if ((*parser).iterate(text.data(), text.size(), text.size() + simdjson::SIMDJSON_PADDING).get(document) !=
        simdjson::SUCCESS)
        return false;
    if (document.get_array().get(array) != simdjson::SUCCESS)
        return false;
    return is_valid_array(array) && document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

std::optional<std::string_view> string_of(Value& value, bool& broken)
{
    std::string_view text;
    const auto error = value.get_string().get(text);
    if (error == simdjson::SUCCESS)
        return text;
    if (error != simdjson::INCORRECT_TYPE)
        broken = true;
    return std::nullopt;
}

std::optional<std::int64_t> integer_of(Value& value)
{
    std::int64_t number = 0;
    if (value.get_int64().get(number) != simdjson::SUCCESS)
        return std::nullopt;
    return number;
}

}  // namespace route::json
