#include "tests/fuzz/reference_http.hpp"

#include <algorithm>
#include <charconv>

namespace route::fuzz {

namespace {

char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lower(std::string_view text)
{
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(), [](char c) { return lower(c); });
    return result;
}

bool is_token(std::string_view text)
{
    constexpr std::string_view others = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
               others.find(c) != std::string_view::npos;
    });
}

bool has_control_character(std::string_view text)
{
    return std::any_of(text.begin(), text.end(),
                       [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7f; });
}

std::string_view without_blanks(std::string_view text)
{
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

/// Takes a line that ends with CRLF off the front of `rest`; nothing when there is none.
std::optional<std::string_view> take_line(std::string_view& rest)
{
    const auto end = rest.find("\r\n");
    if (end == std::string_view::npos)
        return std::nullopt;
    const auto line = rest.substr(0, end);
    rest.remove_prefix(end + 2);
    return line;
}

bool has_final_chunked(const Head& head)
{
    return lower(head.value("transfer-encoding")) == "chunked";
}

}  // namespace

std::optional<std::uint64_t> number(std::string_view text)
{
    std::uint64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || stop != text.data() + text.size())
        return std::nullopt;
    return value;
}

std::size_t Head::count(std::string_view name) const
{
    return static_cast<std::size_t>(
        std::count_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == name; }));
}

std::string_view Head::value(std::string_view name) const
{
    for (const auto& field : fields)
        if (field.first == name)
            return field.second;
    return {};
}

std::string_view Head::word(std::size_t number) const
{
    std::string_view rest = first;
    for (; number > 0; --number)
        rest.remove_prefix(std::min(rest.find(' '), rest.size() - 1) + 1);
    return rest.substr(0, rest.find(' '));
}

std::optional<Head> read_head(std::string_view bytes)
{
    Head head;
    auto rest = bytes;
    const auto first = take_line(rest);
    if (!first || first->empty() || has_control_character(*first))
        return std::nullopt;
    head.first = *first;
    for (auto line = take_line(rest); line; line = take_line(rest)) {
        if (line->empty()) {
            head.size = bytes.size() - rest.size();
            return head;
        }
        const auto colon = line->find(':');
        if (colon == std::string_view::npos || !is_token(line->substr(0, colon)) ||
            has_control_character(*line))
            return std::nullopt;
        head.fields.emplace_back(lower(line->substr(0, colon)), without_blanks(line->substr(colon + 1)));
    }
    return std::nullopt;
}

bool clean_head(std::string_view head)
{
    for (std::size_t i = 0; i < head.size(); ++i) {
        const bool line_end = head.substr(i).starts_with("\r\n");
        if (!line_end && has_control_character(head.substr(i, 1)))
            return false;
        i += line_end ? 1 : 0;
    }
    return true;
}

Body read_chunked(std::string_view bytes)
{
    Body body;
    auto rest = bytes;
    const auto ended = [&](BodyEnd end) {
        body.size = bytes.size() - rest.size();
        body.end = end;
        return body;
    };
    for (;;) {
        const auto line = take_line(rest);
        if (!line)
            return ended(BodyEnd::incomplete);
        std::uint64_t size = 0;
        const auto digits = std::min(line->find_first_not_of("0123456789abcdefABCDEF"), line->size());
        const auto [stop, error] = std::from_chars(line->data(), line->data() + digits, size, 16);
        const auto extension = without_blanks(line->substr(digits));
        if (error != std::errc{} || stop != line->data() + digits ||
            (!extension.empty() && extension.front() != ';') || has_control_character(extension))
            return ended(BodyEnd::broken);
        if (size == 0)
            break;
        if (rest.size() < size || rest.size() - size < 2) {
            body.content.append(
                rest.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(size, rest.size()))));
            return ended(BodyEnd::incomplete);
        }
        body.content.append(rest.substr(0, static_cast<std::size_t>(size)));
        rest.remove_prefix(static_cast<std::size_t>(size));
        if (!rest.starts_with("\r\n"))
            return ended(BodyEnd::broken);
        rest.remove_prefix(2);
    }
    for (auto line = take_line(rest); line; line = take_line(rest))
        if (line->empty())
            return ended(BodyEnd::whole);
    return ended(BodyEnd::incomplete);
}

Body read_sized(std::string_view bytes, std::uint64_t length)
{
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(length, bytes.size()));
    return {std::string{bytes.substr(0, size)}, size, size == length ? BodyEnd::whole : BodyEnd::incomplete};
}

Body read_request_body(const Head& head, std::string_view bytes)
{
    if (has_final_chunked(head))
        return read_chunked(bytes);
    return read_sized(bytes, number(head.value("content-length")).value_or(0));
}

Body read_reply_body(const Head& head, std::string_view bytes, bool to_head_request, bool closed)
{
    const auto status = status_of(head);
    if (to_head_request || status / 100 == 1 || status == 204 || status == 304)
        return read_sized(bytes, 0);
    if (has_final_chunked(head))
        return read_chunked(bytes);
    if (head.has("content-length"))
        return read_sized(bytes, number(head.value("content-length")).value_or(0));
    return {std::string{bytes}, bytes.size(), closed ? BodyEnd::whole : BodyEnd::incomplete};
}

unsigned status_of(const Head& reply)
{
    return static_cast<unsigned>(number(reply.word(1)).value_or(0));
}

}  // namespace route::fuzz
