#pragma once

#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/http/header_fields.hpp"
#include "core/secret_eraser.hpp"

namespace route {

/// A failed reply as a client may see it: `…` stands for each secret in it.
struct ShownReply
{
    std::string_view reason;
    HeaderFields fields;
    std::string_view body;
    std::deque<std::string> texts = {};  ///< what the views point to where it is not the reply they came from
};

/// A body decoded for it is at most so long.
constexpr std::size_t most_decoded = 4u << 20;

/// How a reply of this reason phrase, these fields and this whole body may be shown. A body whose coding can
/// be taken off is looked at without it, and goes out without it if it holds a secret; the fields that vouch
/// for the bytes of a body go when that changes. Nothing when it is encoded so that nobody can tell what it
/// says. The views point into what is given, or into the result's `texts`; the result can be moved. Pure.
std::optional<ShownReply> show_reply(std::string_view reason, const HeaderFields& fields,
                                     std::string_view body, std::span<const SecretEraser* const> erasers);

/// The body without its content coding: itself where it has none, or an unknown one over plain text; nothing
/// where it cannot be read, is broken or decodes to more than `limit` bytes.
std::optional<std::string> decoded_body(std::string_view content_encoding, std::string_view body,
                                        std::size_t limit);

/// What the body of a failed reply says, fit to be quoted; as far as its coding can be taken off. `whole`:
/// there is no more of it.
std::string quote_error(std::string_view content_type, std::string_view content_encoding,
                        std::string_view body, bool whole, std::span<const SecretEraser* const> erasers);

}  // namespace route
