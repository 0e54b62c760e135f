#include "core/escapes.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "core/hex_digit.hpp"

namespace route {
namespace {

/// What stands for itself or for something else: its size, and what it means.
struct Escape
{
    std::size_t size = 0;
    char32_t code = 0;
    bool is_byte = false;  ///< a byte, not a character: in URLs characters are encoded byte by byte
    bool stands_for_nothing = false;  ///< a backslash before what means itself
};

struct Entity
{
    std::string_view name;
    char code;
};

/// HTML's names of what may stand in a key.
constexpr std::array entities{Entity{"amp", '&'},
                              Entity{"AMP", '&'},
                              Entity{"lt", '<'},
                              Entity{"LT", '<'},
                              Entity{"gt", '>'},
                              Entity{"GT", '>'},
                              Entity{"quot", '"'},
                              Entity{"QUOT", '"'},
                              Entity{"apos", '\''},
                              Entity{"plus", '+'},
                              Entity{"equals", '='},
                              Entity{"sol", '/'},
                              Entity{"bsol", '\\'},
                              Entity{"percnt", '%'},
                              Entity{"num", '#'},
                              Entity{"excl", '!'},
                              Entity{"dollar", '$'},
                              Entity{"ast", '*'},
                              Entity{"midast", '*'},
                              Entity{"commat", '@'},
                              Entity{"lowbar", '_'},
                              Entity{"period", '.'},
                              Entity{"UnderBar", '_'},
                              Entity{"comma", ','},
                              Entity{"colon", ':'},
                              Entity{"semi", ';'},
                              Entity{"quest", '?'},
                              Entity{"lpar", '('},
                              Entity{"rpar", ')'},
                              Entity{"lsqb", '['},
                              Entity{"lbrack", '['},
                              Entity{"rsqb", ']'},
                              Entity{"rbrack", ']'},
                              Entity{"lcub", '{'},
                              Entity{"lbrace", '{'},
                              Entity{"rcub", '}'},
                              Entity{"rbrace", '}'},
                              Entity{"verbar", '|'},
                              Entity{"vert", '|'},
                              Entity{"VerticalLine", '|'},
                              Entity{"Hat", '^'},
                              Entity{"grave", '`'},
                              Entity{"DiacriticalGrave", '`'}};
constexpr std::size_t longest_entity = 16;

/// The number of exactly `digits` hexadecimal digits at the start of `text`.
std::optional<char32_t> hex_number(std::string_view text, std::size_t digits)
{
    if (text.size() < digits)
        return std::nullopt;
    char32_t number = 0;
    for (const char c : text.substr(0, digits)) {
        const int digit = hex_digit(c);
        if (digit < 0)
            return std::nullopt;
        number = number << 4 | static_cast<char32_t>(digit);
    }
    return number;
}

Escape backslash_escape(std::string_view text)
{
    const auto rest = text.substr(1);
    if (rest.starts_with('\\'))
        return {2, '\\', true};
    if (rest.starts_with('u'))
        if (const auto code = hex_number(rest.substr(1), 4))
            return {6, *code};
    if (rest.starts_with('x'))
        if (const auto code = hex_number(rest.substr(1), 2))
            return {4, *code, true};
    return {1, 0, false, true};
}

Escape percent_escape(std::string_view text)
{
    if (const auto code = hex_number(text.substr(1), 2))
        return {3, *code, true};
    return {};
}

Escape entity_escape(std::string_view text)
{
    const auto end = text.substr(0, longest_entity + 2).find(';');
    if (end == std::string_view::npos || end < 2)
        return {};
    auto name = text.substr(1, end - 1);
    if (name.front() != '#') {
        const auto* const found = std::find_if(entities.begin(), entities.end(),
                                               [&](const Entity& entity) { return entity.name == name; });
        return found == entities.end() ? Escape{} : Escape{end + 1, static_cast<unsigned char>(found->code)};
    }
    name.remove_prefix(1);
    const bool hexadecimal = name.starts_with('x') || name.starts_with('X');
    if (hexadecimal)
        name.remove_prefix(1);
    char32_t number = 0;
    for (const char c : name) {
        const int digit = hex_digit(c);
        if (digit < 0 || (!hexadecimal && digit > 9) || number > 0x10FFFF)
            return {};
        number = number * (hexadecimal ? 16 : 10) + static_cast<char32_t>(digit);
    }
    if (name.empty() || number > 0x10FFFF)
        return {};
    return {end + 1, number};
}

Escape escape_at(std::string_view text)
{
    switch (text.front()) {
        case '\\':
            return backslash_escape(text);
        case '%':
            return percent_escape(text);
        default:
            return entity_escape(text);
    }
}

void append_character(std::string& text, char32_t code)
{
    const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((code >> shift) & 0x3F)); };
    if (code < 0x80)
        text += static_cast<char>(code);
    else if (code < 0x800)
        (text += static_cast<char>(0xC0 | code >> 6)) += tail(0);
    else if (code < 0x10000)
        ((text += static_cast<char>(0xE0 | code >> 12)) += tail(6)) += tail(0);
    else
        (((text += static_cast<char>(0xF0 | code >> 18)) += tail(12)) += tail(6)) += tail(0);
}

/// JSON writes characters beyond U+FFFF as two escapes.
void join_surrogates(std::string_view text, Escape& escape)
{
    const bool high = !escape.is_byte && escape.code >= 0xD800 && escape.code < 0xDC00;
    if (!high || text.size() <= escape.size || text[escape.size] != '\\')
        return;
    const auto second = backslash_escape(text.substr(escape.size));
    if (second.code < 0xDC00 || second.code > 0xDFFF)
        return;
    escape.code = 0x10000 + ((escape.code - 0xD800) << 10) + (second.code - 0xDC00);
    escape.size += second.size;
}

/// Finds the characters that escapes of a kind begin with; to be asked with growing positions.
class Scanner
{
  public:
    Scanner(std::string_view text, Escapes kind)
        : text_{text},
          first_{kind == Escapes::encoded ? '%' : '\\'},
          second_{kind == Escapes::encoded ? '&' : '\\'}
    {
    }

    std::size_t next(std::size_t from)
    {
        const auto nearest = from_on(first_, from);
        return first_.character == second_.character ? nearest : std::min(nearest, from_on(second_, from));
    }

    /// The one at `at`; of no size when there is none.
    Escape escape(std::size_t at) const
    {
        if (at == text_.npos)
            return {};
        auto escape = escape_at(text_.substr(at));
        join_surrogates(text_.substr(at), escape);
        return escape;
    }

  private:
    struct Sought
    {
        char character;
        std::optional<std::size_t> at = {};
    };

    std::size_t from_on(Sought& sought, std::size_t from) const
    {
        if (!sought.at || *sought.at < from)
            sought.at = text_.find(sought.character, from);
        return *sought.at;
    }

    std::string_view text_;
    Sought first_;
    Sought second_;
};

}  // namespace

bool take_off(Escapes kind, std::string_view text, std::string& plain, std::vector<std::size_t>* origins)
{
    Scanner scanner{text, kind};
    std::size_t at = scanner.next(0);
    auto escape = scanner.escape(at);
    while (at != text.npos && escape.size == 0) {
        at = scanner.next(at + 1);
        escape = scanner.escape(at);
    }
    if (at == text.npos)
        return false;
    plain.clear();
    plain.reserve(text.size());
    std::size_t taken = 0;
    const auto append_up_to = [&](std::size_t end) {
        plain.append(text.substr(taken, end - taken));
        for (; origins != nullptr && taken < end; ++taken)
            origins->push_back(taken);
        taken = end;
    };
    for (; at != text.npos; at = scanner.next(std::max(taken, at + 1)), escape = scanner.escape(at)) {
        if (escape.size == 0)
            continue;
        append_up_to(at);
        taken = at + escape.size;
        if (escape.stands_for_nothing) {
            if (taken < text.size())
                plain += text[taken++];  // the backslash belongs to it
        } else if (escape.is_byte) {
            plain += static_cast<char>(escape.code);
        } else {
            append_character(plain, escape.code);
        }
        if (origins != nullptr)
            origins->resize(plain.size(), at);
    }
    append_up_to(text.size());
    if (origins != nullptr)
        origins->push_back(text.size());
    return true;
}

std::string_view without_split_escape(std::string_view text)
{
    const auto tail = text.substr(text.size() - std::min(text.size(), longest_entity + 1));
    const auto begin = tail.find_last_of("\\%&");
    if (begin == std::string_view::npos)
        return text;
    const auto rest = tail.substr(begin + 1);
    const auto most = tail[begin] == '\\' ? 4u : tail[begin] == '%' ? 1u : longest_entity;
    if (rest.size() > most || rest.find(';') != std::string_view::npos)
        return text;
    text.remove_suffix(rest.size() + 1);
    while (text.ends_with('\\') && tail[begin] == '\\')
        text.remove_suffix(1);
    return text;
}

}  // namespace route
