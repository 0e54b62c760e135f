#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace route {

/// What the body of a reply is.
enum class ReplyKind
{
    event_stream,
    json,
    html,
    text,
    other,
};

/// What its Content-Type says it is, for replies that are taken at their word: `html` and other text are
/// `other`.
ReplyKind labelled_kind(std::string_view content_type);

/// Bytes of a reply that are looked at, blanks at its beginning included, before its label decides.
constexpr std::size_t most_sniffed = 4096;

/// What the body is by its first bytes, where its label does not say so or says something else: events and
/// JSON without a Content-Type, as any `text/…` or as `application/octet-stream`, events labelled JSON and
/// the other way round, HTML by any of those labels. Nothing while the bytes may still become several of
/// them; `complete`: there are no more. Audio, images, NDJSON and the like are what they say they are.
std::optional<ReplyKind> sniff_kind(std::string_view content_type, std::string_view first, bool complete);

/// Whether a Content-Encoding says nothing: "", `identity`, `none`, `utf-8`.
bool is_no_coding(std::string_view content_encoding);

/// Whether a Content-Encoding names codings of the registry (IANA HTTP Content Coding Registry), one or more:
/// what it is said of is encoded. What it does not know is taken off by nobody; if it is said of plain text,
/// that is what the body is.
bool is_known_coding(std::string_view content_encoding);

/// Whether these first bytes are plain text: UTF-8, perhaps split at the end, without control characters that
/// no text has.
bool is_plain_text(std::string_view first);

}  // namespace route
