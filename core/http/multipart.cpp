#include "core/http/multipart.hpp"

#include <cstring>
#include <optional>
#include <string>

#include "core/http/media_type.hpp"
#include "core/text.hpp"

namespace route {
namespace {

/// More than any SDK sends. With more a body is refused: unread, its model could be a denied one.
constexpr int most_parts = 1000;
constexpr std::size_t most_part_head = 16u << 10;

/// memmem stays fast over uploads of many megabytes.
std::size_t find(std::string_view text, std::string_view needle, std::size_t from)
{
    if (from >= text.size())
        return std::string_view::npos;
    const void* at = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
    return at == nullptr ? std::string_view::npos
                         : static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
}

/// A line `--boundary` or `--boundary--` in the body.
struct Delimiter
{
    std::size_t begin;
    std::size_t end;  ///< behind its line end
    bool closing;
};

std::optional<Delimiter> next_delimiter(std::string_view body, std::string_view dashed_boundary,
                                        std::size_t from)
{
    for (auto at = find(body, dashed_boundary, from); at != std::string_view::npos;
         at = find(body, dashed_boundary, at + 1)) {
        if (at > from && body[at - 1] != '\n')
            continue;
        const auto behind = at + dashed_boundary.size();
        if (body.substr(behind).starts_with("--"))
            return Delimiter{at, body.size(), true};
        auto end = body.find_first_not_of(" \t", behind);
        if (end != std::string_view::npos && body[end] == '\r')
            ++end;
        if (end < body.size() && body[end] == '\n')
            return Delimiter{at, end + 1, false};
    }
    return std::nullopt;
}

struct Part
{
    std::string_view disposition;  ///< value of Content-Disposition, folded lines included
    std::string_view content;
};

std::string_view without_line_end(std::string_view text)
{
    if (text.ends_with('\n'))
        text.remove_suffix(1);
    if (text.ends_with('\r'))
        text.remove_suffix(1);
    return text;
}

/// Takes the first line, with those folded onto it, off `rest`, without its line end; nothing when it has no
/// end.
std::optional<std::string_view> take_header(std::string_view& rest)
{
    auto end = rest.find('\n');
    while (end != std::string_view::npos && end > 1 && end + 1 < rest.size() &&
           (rest[end + 1] == ' ' || rest[end + 1] == '\t'))
        end = rest.find('\n', end + 1);
    if (end == std::string_view::npos)
        return std::nullopt;
    const auto line = without_line_end(rest.substr(0, end + 1));
    rest.remove_prefix(end + 1);
    return line;
}

std::optional<Part> read_part(std::string_view text)
{
    Part part;
    const auto head = text.substr(0, most_part_head);
    auto rest = head;
    while (const auto line = take_header(rest)) {
        if (line->empty()) {
            part.content = without_line_end(text.substr(head.size() - rest.size()));
            return part;
        }
        const auto colon = line->find(':');
        if (equal_ignoring_case(trim(line->substr(0, colon)), "content-disposition") &&
            colon != std::string_view::npos)
            part.disposition = line->substr(colon + 1);
    }
    return std::nullopt;
}

}  // namespace

Result<RequestFacts> read_multipart_facts(std::string_view boundary, std::string_view body)
{
    RequestFacts facts;
    bool model_seen = false;
    int parts = 0;
    const auto dashed_boundary = std::string{"--"}.append(boundary);
    auto delimiter = next_delimiter(body, dashed_boundary, 0);
    while (delimiter && !delimiter->closing) {
        const auto begin = delimiter->end;
        delimiter = next_delimiter(body, dashed_boundary, begin);
        if (!delimiter)
            break;
        if (++parts > most_parts)
            return Invalid{"more than 1000 parts"};
        const auto text = body.substr(begin, delimiter->begin - begin);
        const auto part = read_part(text);
        if (!part && text.size() > most_part_head)
            return Invalid{"a part whose headers do not end within 16 KiB"};
        const auto name = part ? field_parameter(part->disposition, "name") : std::nullopt;
        if (!name)
            continue;
        const bool is_file = field_parameter(part->disposition, "filename").has_value();
        if (*name == "model") {
            if (model_seen)
                return Invalid{"two 'model' fields"};
            model_seen = true;
            // Its first bytes are enough to tell text: nobody calls a model by the others.
            const auto beginning = cut_utf8(part->content, max_model_name);
            if (is_file || !valid_utf8(beginning))
                continue;
            facts.model = std::string{beginning};
            facts.model_cut = beginning.size() < part->content.size();
            facts.model_begin = static_cast<std::size_t>(part->content.data() - body.data());
            facts.model_end = facts.model_begin + part->content.size();
        } else if (*name == "stream" && !is_file) {
            facts.stream = equal_ignoring_case(trim(part->content), "true");
        }
    }
    if (!delimiter)
        return RequestFacts{};
    return facts;
}

}  // namespace route
