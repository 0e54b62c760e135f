// What the router needs to know of a request's body, whatever its content coding.
#include "core/http/request_body.hpp"

#include <algorithm>

#include "core/http/content_decoder.hpp"
#include "core/text.hpp"

namespace route {
namespace {

/// Of so many encoded bytes not much more than ContentDecoder::allowance can come.
constexpr std::size_t portion_of_request = 8u << 10;

std::size_t decoded_limit(std::size_t encoded)
{
    return std::min(most_decoded_request, std::max(decoded_at_any_ratio, encoded * most_request_ratio));
}

struct Decoding
{
    std::optional<std::string> content;
    bool too_large = false;
};

Decoding decode(ContentDecoder::Coding coding, std::string_view body)
{
    ContentDecoder decoder{coding};
    const auto limit = decoded_limit(body.size());
    std::string content;
    for (auto rest = body; !rest.empty() && content.size() <= limit && !decoder.gave_up();) {
        decoder.feed(rest.substr(0, portion_of_request), [&](std::string_view piece) {
            if (content.size() <= limit)
                content.append(piece);
        });
        rest.remove_prefix(std::min(rest.size(), portion_of_request));
    }
    if (decoder.state() == ContentDecoder::State::excessive || content.size() > limit)
        return {std::nullopt, true};
    if (decoder.state() != ContentDecoder::State::whole)
        return {};
    content.reserve(content.size() + body_padding);
    return {std::move(content), false};
}

RequestBody read_plain(std::string_view content_type, std::string_view body, Reading reading,
                       const MemberNames& wanted)
{
    RequestBody read;
    auto facts = read_request_facts(content_type, body, reading, wanted);
    if (facts)
        read.facts = std::move(*facts);
    else
        read.refusal = RouterError{400, "bad_request", facts.error().reason};
    return read;
}

RequestBody read_illegible(std::string_view why, Reading reading)
{
    RequestBody read;
    if (reading == Reading::strict)
        read.refusal = RouterError{400, "bad_request", std::string{why} + ": its model cannot be read"};
    return read;
}

}  // namespace

bool is_encoded(std::string_view content_encoding)
{
    const auto name = trim(content_encoding);
    return !name.empty() && !equal_ignoring_case(name, "identity");
}

RequestBody read_request_body(std::string_view content_type, std::string_view content_encoding,
                              std::string_view body, Reading reading, const MemberNames& wanted)
{
    if (!is_encoded(content_encoding) || body.empty())
        return read_plain(content_type, body, reading, wanted);
    const auto coding = ContentDecoder::coding(content_encoding);
    if (!coding)
        return read_illegible("the body has an unknown content coding", reading);
    auto decoding = decode(*coding, body);
    if (decoding.too_large) {
        RequestBody read;
        read.refusal = RouterError{413, "body_too_large", "the body decodes to more than is taken"};
        return read;
    }
    if (!decoding.content)
        return read_illegible("the body is not what its content coding says", reading);
    auto read = read_plain(content_type, *decoding.content, reading, wanted);
    read.decoded = std::move(decoding.content);
    return read;
}

std::size_t reading_memory(std::string_view content_encoding, std::size_t body_bytes)
{
    if (!is_encoded(content_encoding))
        return facts_memory(body_bytes);
    const auto decoded = decoded_limit(body_bytes);
    return decoded + facts_memory(decoded);
}

}  // namespace route
