#include "app/cli/pretty_json.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>

namespace route::cli {
namespace {

constexpr std::string_view blanks = " \t\r\n";

/// The token that begins `text`: a string with its quotes, a mark, or a number or word.
std::string_view token_of(std::string_view text)
{
    if (text.front() != '"') {
        const auto end = std::min(text.find_first_of(" \t\r\n\",:[]{}"), text.size());
        return text.substr(0, std::max<std::size_t>(end, 1));
    }
    std::size_t end = 1;
    while (end < text.size() && text[end] != '"')
        end += text[end] == '\\' ? 2 : 1;
    return text.substr(0, std::min(end + 1, text.size()));
}

std::string_view without_blanks(std::string_view text)
{
    return text.substr(std::min(text.find_first_not_of(blanks), text.size()));
}

bool is_json(std::string_view text)
{
    boost::json::parse_options options;
    options.max_depth = 100;
    boost::system::error_code error;
    boost::json::parse(boost::json::string_view{text.data(), text.size()}, error, {}, options);
    return !error;
}

std::string coloured(std::string_view token, const char* colour)
{
    return std::string{"\x1b["} + colour + 'm' + std::string{token} + "\x1b[0m";
}

}  // namespace

std::optional<std::string> pretty_json(std::string_view text)
{
    if (!is_json(text))
        return std::nullopt;
    std::string result;
    std::size_t depth = 0;
    const auto new_line = [&] { result += '\n' + std::string(2 * depth, ' '); };
    for (text = without_blanks(text); !text.empty(); text = without_blanks(text)) {
        const auto token = token_of(text);
        text.remove_prefix(token.size());
        const char mark = token.front();
        const bool opens = mark == '{' || mark == '[';
        const bool closes = mark == '}' || mark == ']';
        if (closes) {
            --depth;
            new_line();
        }
        result += token;
        const auto rest = without_blanks(text);
        if (opens && !rest.empty() && (rest.front() == '}' || rest.front() == ']')) {
            result += rest.front();  // nothing in it
            text = rest.substr(1);
        } else if (opens) {
            ++depth;
            new_line();
        } else if (mark == ',') {
            new_line();
        } else if (mark == ':') {
            result += ' ';
        }
    }
    return result;
}

std::string coloured_json(std::string_view text)
{
    std::string result;
    while (!text.empty()) {
        const auto begin = std::min(text.find_first_not_of(blanks), text.size());
        result += text.substr(0, begin);
        text.remove_prefix(begin);
        if (text.empty())
            break;
        const auto token = token_of(text);
        text.remove_prefix(token.size());
        const auto rest = without_blanks(text);
        if (token.front() == '"')
            result += coloured(token, !rest.empty() && rest.front() == ':' ? "34" : "32");
        else if (std::string_view{",:[]{}"}.find(token.front()) != std::string_view::npos)
            result += token;
        else
            result += coloured(token, "33");
    }
    return result;
}

}  // namespace route::cli
