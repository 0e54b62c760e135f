// The pieces of answers: which of their members are content.
#include "core/openai/answer_parts.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>

#include "core/text.hpp"

namespace route {
namespace {

/// Nothing that is said lies deeper; a bound for what others send.
constexpr int deepest = 8;

/// A scalar as it is written; of objects and lists the bracket.
std::string_view token_of(json::Value& value)
{
    return trim(value.raw_json_token());
}

bool is_number(std::string_view token)
{
    return !token.empty() && (token.front() == '-' || (token.front() >= '0' && token.front() <= '9'));
}

bool is_empty(json::Value& value, char bracket)
{
    if (bracket == '{') {
        json::Object object;
        if (value.get_object().get(object) != simdjson::SUCCESS)
            return true;
        for ([[maybe_unused]] auto member : object)
            return false;
        return true;
    }
    json::Array array;
    if (value.get_array().get(array) != simdjson::SUCCESS)
        return true;
    for ([[maybe_unused]] auto element : array)
        return false;
    return true;
}

/// Members that hold something said, or lead to it.
enum class Member
{
    none,
    filled,  ///< whatever fills it is content
    leads,   ///< an object or a list is looked through, a string is content itself
    call,    ///< leads to a call, whose name counts
    name,    ///< of a call
    action,  ///< of a call that the client is to carry out
    type,
};

struct KnownMember
{
    std::string_view key;
    Member member;
};

/// In alphabetical order of their first letters.
constexpr std::array known_members{
    KnownMember{"action", Member::action},
    KnownMember{"arguments", Member::filled},
    KnownMember{"audio", Member::leads},
    KnownMember{"b64_json", Member::leads},
    KnownMember{"content", Member::leads},
    KnownMember{"custom", Member::call},
    KnownMember{"data", Member::leads},
    KnownMember{"function", Member::call},
    KnownMember{"function_call", Member::call},
    KnownMember{"image", Member::leads},
    KnownMember{"image_url", Member::leads},
    KnownMember{"images", Member::leads},
    KnownMember{"input", Member::filled},
    KnownMember{"name", Member::name},
    KnownMember{"operation", Member::action},
    KnownMember{"partial_json", Member::leads},
    KnownMember{"reasoning", Member::leads},
    KnownMember{"reasoning_content", Member::leads},
    KnownMember{"reasoning_details", Member::leads},
    KnownMember{"reasoning_text", Member::leads},
    KnownMember{"refusal", Member::leads},
    KnownMember{"result", Member::leads},
    KnownMember{"source", Member::leads},
    KnownMember{"summary", Member::leads},
    KnownMember{"text", Member::leads},
    KnownMember{"thinking", Member::leads},
    KnownMember{"thinking_blocks", Member::leads},
    KnownMember{"tool_calls", Member::call},
    KnownMember{"transcript", Member::leads},
    KnownMember{"type", Member::type},
    KnownMember{"url", Member::leads},
};

/// Where those with each letter begin: every member of every event is looked up.
constexpr auto begins_of_letters = [] {
    std::array<std::size_t, 'z' - 'a' + 2> begins{};
    for (std::size_t letter = 0; letter < begins.size(); ++letter)
        for (const auto& known : known_members)
            begins[letter] += static_cast<std::size_t>(known.key[0] - 'a') < letter ? 1u : 0u;
    return begins;
}();

Member member_of(json::Key key)
{
    const char first = key.raw()[0];
    if (first < 'a' || first > 'z')
        return Member::none;
    const auto letter = static_cast<std::size_t>(first - 'a');
    for (auto i = begins_of_letters[letter]; i < begins_of_letters[letter + 1]; ++i)
        if (key == known_members[i].key)
            return known_members[i].member;
    return Member::none;
}

bool is_for_client(std::string_view type)
{
    return equals_any_ignoring_case(type,
                                    {"computer_call", "local_shell_call", "shell_call", "apply_patch_call"});
}

/// Object, list or string: whether anything in it is content.
bool look_through(json::Value& value, Names names, int depth);

bool look_through(json::Object& object, Names names, int depth)
{
    std::string_view type;
    for (auto result : object) {
        simdjson::ondemand::field field;
        if (std::move(result).get(field) != simdjson::SUCCESS)
            return false;
        json::Value& value = field.value();
        bool content = false;
        switch (member_of(field.key())) {
            case Member::none:
                break;
            case Member::type:
                type = written_string(value);
                break;
            case Member::filled:
                content = is_filled(value);
                break;
            case Member::leads:
                content = look_through(value, names, depth + 1);
                break;
            case Member::call:
                content = look_through(value, Names::count, depth + 1);
                break;
            case Member::name:
                content = names == Names::count && is_filled_string(value);
                break;
            case Member::action:
                content = is_for_client(type) && is_filled(value);
                break;
        }
        if (content)
            return true;
    }
    return false;
}

bool look_through(json::Value& value, Names names, int depth)
{
    const auto token = token_of(value);
    if (token.empty() || depth > deepest)
        return false;
    if (token.front() == '"')
        return token.size() > 2;
    if (token.front() == '{') {
        json::Object object;
        return value.get_object().get(object) == simdjson::SUCCESS && look_through(object, names, depth);
    }
    json::Array array;
    if (token.front() != '[' || value.get_array().get(array) != simdjson::SUCCESS)
        return false;
    for (auto result : array) {
        json::Value element;
        if (std::move(result).get(element) != simdjson::SUCCESS)
            return false;
        if (look_through(element, names, depth + 1))
            return true;
    }
    return false;
}

}  // namespace

bool is_filled_string(json::Value& value)
{
    const auto token = token_of(value);
    return token.size() > 2 && token.front() == '"';
}

bool is_filled(json::Value& value)
{
    const auto token = token_of(value);
    if (token.empty() || token == "null" || token == "false" || token == "\"\"")
        return false;
    if (token.front() == '{' || token.front() == '[')
        return !is_empty(value, token.front());
    return !is_number(token) || token.find_first_of("123456789") != token.npos;
}

std::string_view written_string(json::Value& value)
{
    const auto token = token_of(value);
    return token.size() > 2 && token.front() == '"' ? token.substr(1, token.size() - 2) : std::string_view{};
}

bool has_content(json::Value& value, Names names)
{
    return look_through(value, names, 0);
}

bool has_content(json::Object& object, Names names)
{
    return look_through(object, names, 0);
}

Ending ending_of(std::string_view reason)
{
    if (reason.empty())
        return Ending::none;
    const bool excused = equals_any_ignoring_case(
        reason, {"length", "max_tokens", "max_output_tokens", "model_context_window_exceeded",
                 "content_filter", "safety", "recitation", "blocklist", "prohibited_content", "sensitive",
                 "refusal", "tool_calls", "tool_call", "tool_use", "function_call", "pause_turn"});
    return excused ? Ending::excused : Ending::natural;
}

Ending ending_of_status(std::string_view status)
{
    if (status.empty())
        return Ending::none;
    return status == "completed" ? Ending::natural : Ending::excused;
}

bool read_choice_signs(json::Object& choice, ChoiceSigns& signs)
{
    return json::each_member(choice, [&](json::Key key, json::Value& value) {
        if (key == "delta" || key == "message" || key == "text") {
            signs.content = signs.content || has_content(value, Names::passed_over);
        } else if (key == "finish_reason" || key == "stop_reason") {
            const auto reason = written_string(value);
            signs.error = signs.error || reason == "error";
            if (signs.ending == Ending::none)
                signs.ending = ending_of(reason);
        } else if (key == "error") {
            signs.error = signs.error || is_filled(value);
        } else if (key == "index") {
            signs.index = json::integer_of(value).value_or(-1);
        }
        return true;
    });
}

bool read_response_member(json::Key key, json::Value& value, ResponseSigns& signs)
{
    if (key == "output") {
        signs.output = token_of(value) == "[";
        signs.content = signs.content || has_content(value, Names::count);
    } else if (key == "output_text") {
        signs.content = signs.content || is_filled_string(value);
    } else if (key == "error") {
        signs.error = signs.error || is_filled(value);
    } else if (key == "status") {
        const auto status = written_string(value);
        signs.error = signs.error || status == "failed";
        signs.ending = ending_of_status(status);
    } else {
        return false;
    }
    return true;
}

}  // namespace route
