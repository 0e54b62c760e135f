// What the router needs to know of a request's body, whatever its content coding (SPEC 5.17).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/id_hash.hpp"
#include "core/openai/error_body.hpp"
#include "core/openai/request_facts.hpp"

namespace route {

/// A body that a client compressed is decoded to so many bytes at most, …
constexpr std::size_t most_decoded_request = 64u << 20;
/// … and, beyond `decoded_at_any_ratio`, to so many for each of its own.
constexpr std::size_t most_request_ratio = 100;
constexpr std::size_t decoded_at_any_ratio = 64u << 10;

struct RequestBody
{
    RequestFacts facts;  ///< of the decoded body, where there is one
    /// The body without its coding, with body_padding bytes of capacity behind it; none where it has no
    /// coding, or one that is unknown or broken: then it has no facts either.
    std::optional<std::string> decoded;
    IdHashes named_ids;                  ///< named_ids(), where they are wanted
    std::string session;                 ///< session_key(), where one is wanted
    std::optional<RouterError> refusal;  ///< 400, or 413 for one that decodes to too much
};

/// Reads a body, which must have `body_padding` readable bytes behind its end. `reading`, `wanted`: as
/// for read_request_facts(). Pure; takes time linear in the decoded body, and reading_memory() bytes.
RequestBody read_request_body(std::string_view content_type, std::string_view content_encoding,
                              std::string_view body, Reading reading, const MemberNames& wanted = {});

/// Whether it has a coding to be taken off.
bool is_encoded(std::string_view content_encoding);

/// Bytes that read_request_body() takes at most while it lasts, `decoded` included.
std::size_t reading_memory(std::string_view content_encoding, std::size_t body_bytes);

}  // namespace route
