// What a reply is, by its label and its first bytes.
#include "core/http/reply_kind.hpp"

#include <algorithm>
#include <functional>
#include <initializer_list>

#include "core/http/media_type.hpp"
#include "core/text.hpp"

namespace route {
namespace {

constexpr std::string_view mark_of_utf8 = "\xEF\xBB\xBF";

/// How far a label is believed.
enum class Label
{
    event_stream,
    json,
    unspecific,  ///< none, text, or any bytes: servers say so for want of better
    text,        ///< textual, and neither events nor JSON
    other,
};

/// Binary formats have shown themselves by then.
constexpr std::size_t enough_text = 64;

/// One document or event a line: relayed from its first byte.
bool is_json_lines(std::string_view type)
{
    return equals_any_ignoring_case(
        type, {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines",
               "application/jsonlines", "application/json-seq"});
}

Label label_of(std::string_view content_type)
{
    const auto type = media_type(content_type);
    if (equal_ignoring_case(type, "text/event-stream"))
        return Label::event_stream;
    if (is_json_type(type))
        return Label::json;
    if (type.empty() || equal_ignoring_case(type.substr(0, 5), "text/") ||
        equals_any_ignoring_case(
            type, {"application/octet-stream", "binary/octet-stream", "application/x-json", "*/*"}))
        return Label::unspecific;
    return is_textual_type(type) && !is_json_lines(type) ? Label::text : Label::other;
}

using Words = std::initializer_list<std::string_view>;

/// Whether it begins with one of them; nothing while it may.
template <class Equal>
std::optional<bool> begins_with_one(std::string_view text, Words words, Equal equal)
{
    bool open = false;
    for (const auto word : words) {
        const auto size = std::min(text.size(), word.size());
        const bool same = equal(text.substr(0, size), word.substr(0, size));
        if (same && size == word.size())
            return true;
        open = open || same;
    }
    if (open)
        return std::nullopt;
    return false;
}

std::optional<bool> looks_like_html(std::string_view text)
{
    const Words words{"<!doctype html", "<html", "<head", "<body", "<title", "<script", "<!--", "<center"};
    return text.starts_with('<') ? begins_with_one(text, words, equal_ignoring_case) : false;
}

/// A field of an event, or a comment.
std::optional<bool> looks_like_events(std::string_view text)
{
    return begins_with_one(text, {":", "data:", "event:", "id:", "retry:"}, std::equal_to<>{});
}

std::string_view without_blanks(std::string_view first)
{
    if (first.starts_with(mark_of_utf8))
        first.remove_prefix(mark_of_utf8.size());
    return first.substr(std::min(first.find_first_not_of(" \t\r\n"), first.size()));
}

/// What it is taken for when its bytes say nothing else.
ReplyKind by_label(Label label, std::string_view text)
{
    switch (label) {
        case Label::event_stream:
            return ReplyKind::event_stream;
        case Label::json:
            return ReplyKind::json;
        case Label::unspecific:
            return is_plain_text(text.substr(0, enough_text)) ? ReplyKind::text : ReplyKind::other;
        case Label::text:
            return ReplyKind::text;
        case Label::other:
            break;
    }
    return ReplyKind::other;
}

}  // namespace

ReplyKind labelled_kind(std::string_view content_type)
{
    const auto label = label_of(content_type);
    if (label == Label::event_stream)
        return ReplyKind::event_stream;
    return label == Label::json ? ReplyKind::json : ReplyKind::other;
}

std::optional<ReplyKind> sniff_kind(std::string_view content_type, std::string_view first, bool complete)
{
    const auto label = label_of(content_type);
    if (label == Label::other)
        return ReplyKind::other;
    const bool all = complete || first.size() >= most_sniffed;
    const auto text = without_blanks(first);
    if (text.empty() || mark_of_utf8.starts_with(text)) {
        if (!all)
            return std::nullopt;
        return by_label(label, text);
    }
    if (label != Label::text && (text.front() == '{' || text.front() == '['))
        return ReplyKind::json;
    const auto html = looks_like_html(text);
    if (html && *html)
        return ReplyKind::html;
    const bool may_be_events = label == Label::json || label == Label::unspecific;
    const auto events = may_be_events ? looks_like_events(text) : false;
    if (events && *events)
        return ReplyKind::event_stream;
    const bool open = !html || !events || (label == Label::unspecific && text.size() < enough_text);
    if (open && !all)
        return std::nullopt;
    return by_label(label, text);
}

bool is_no_coding(std::string_view content_encoding)
{
    const auto name = trim(content_encoding);
    return name.empty() || equals_any_ignoring_case(name, {"identity", "none", "utf-8", "utf8"});
}

bool is_known_coding(std::string_view content_encoding)
{
    bool known = false;
    for (auto rest = content_encoding; !rest.empty();) {
        const auto end = std::min(rest.find(','), rest.size());
        known = known ||
                equals_any_ignoring_case(trim(rest.substr(0, end)),
                                         {"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress",
                                          "aes128gcm", "dcb", "dcz", "exi", "pack200-gzip"});
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return known;
}

bool is_plain_text(std::string_view first)
{
    const bool odd = std::any_of(first.begin(), first.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != '\b' &&
                c != '\x1b') ||
               byte == 0x7f;
    });
    return !odd && valid_utf8(without_split_end(first));
}

}  // namespace route
