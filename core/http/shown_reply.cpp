#include "core/http/shown_reply.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/http/content_decoder.hpp"
#include "core/http/reply_kind.hpp"
#include "core/openai/error_words.hpp"
#include "core/text.hpp"

namespace route {
namespace {

using boost::beast::http::field;

/// Of so many encoded bytes not much more than ContentDecoder::allowance can come.
constexpr std::size_t portion = 8u << 10;

/// Fields that hold of the bytes of the body as they came (RFC 9110 8.8, 9530).
bool is_of_the_bytes(const HeaderField& header)
{
    static constexpr std::array<std::string_view, 7> names{"content-encoding", "content-md5", "digest",
                                                           "content-digest",   "repr-digest", "etag",
                                                           "content-range"};
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view name) { return equal_ignoring_case(header.name, name); });
}

/// `text`, or a copy without secrets, which `reply` keeps.
std::string_view shown(ShownReply& reply, std::string_view text, std::span<const SecretEraser* const> erasers)
{
    if (text.size() < SecretEraser::shortest)
        return text;
    std::string copy{text};
    return erase_secrets(copy, erasers, false) ? reply.texts.emplace_back(std::move(copy)) : text;
}

/// Bytes of a body that are looked at for its words.
constexpr std::size_t most_quoted = 64u << 10;

/// The body without its coding, or the beginning of a longer one; nothing where that cannot be read.
std::optional<std::string> beginning_of(std::string_view content_encoding, std::string_view body)
{
    const auto coding = ContentDecoder::coding(content_encoding);
    if (!coding) {
        const auto beginning = body.substr(0, most_quoted + 1);
        const bool plain = content_encoding.empty() || equal_ignoring_case(content_encoding, "identity");
        return plain || is_plain_text(beginning) ? std::optional<std::string>{beginning} : std::nullopt;
    }
    ContentDecoder decoder{*coding};
    std::string content;
    for (auto rest = body; !rest.empty() && !decoder.gave_up() && content.size() <= most_quoted;) {
        decoder.feed(rest.substr(0, portion), [&content](std::string_view piece) {
            content.append(piece.substr(0, most_quoted + 1 - std::min(content.size(), most_quoted + 1)));
        });
        rest.remove_prefix(std::min(rest.size(), portion));
    }
    if (!decoder.gave_up() || content.size() > most_quoted)
        return content;
    const auto beginning = body.substr(0, most_quoted + 1);
    const bool mislabelled = content.empty() && is_plain_text(beginning);
    return mislabelled ? std::optional<std::string>{beginning} : std::nullopt;
}

}  // namespace

std::optional<std::string> decoded_body(std::string_view content_encoding, std::string_view body,
                                        std::size_t limit)
{
    const auto coding = ContentDecoder::coding(content_encoding);
    if (!coding || body.empty()) {
        const bool plain = content_encoding.empty() || equal_ignoring_case(content_encoding, "identity");
        return plain || valid_utf8(body) ? std::optional<std::string>{body} : std::nullopt;
    }
    ContentDecoder decoder{*coding};
    std::string content;
    for (auto rest = body; !rest.empty() && content.size() <= limit;) {
        decoder.feed(rest.substr(0, portion), [&](std::string_view piece) { content.append(piece); });
        rest.remove_prefix(std::min(rest.size(), portion));
    }
    if (decoder.state() != ContentDecoder::State::whole || content.size() > limit)
        return std::nullopt;
    return content;
}

std::optional<ShownReply> show_reply(std::string_view reason, const HeaderFields& fields,
                                     std::string_view body, std::span<const SecretEraser* const> erasers)
{
    auto content = decoded_body(find_field(fields, field::content_encoding), body, most_decoded);
    if (!content)
        return std::nullopt;
    ShownReply reply;
    reply.reason = shown(reply, reason, erasers);
    reply.body = body;
    const bool changed = erase_secrets(*content, erasers, false);
    if (changed)
        reply.body = reply.texts.emplace_back(*std::move(content));
    reply.fields.reserve(fields.size());
    for (const auto& header : fields)
        if (!changed || !is_of_the_bytes(header))
            reply.fields.push_back({header.id, header.name, shown(reply, header.value, erasers)});
    return reply;
}

std::string quote_error(std::string_view content_type, std::string_view content_encoding,
                        std::string_view body, bool whole, std::span<const SecretEraser* const> erasers)
{
    const auto content = beginning_of(content_encoding, body);
    if (!content)
        return {};
    const bool cut = !whole || content->size() > most_quoted;
    return quote_words(error_words(content_type, *content), cut, erasers);
}

}  // namespace route
