// Which things that an upstream made a request names (SPEC 5.14).
#pragma once

#include <string_view>

#include "core/id_hash.hpp"

namespace route {

/// Of one request, that are looked up.
constexpr std::size_t most_named_ids = 16;
/// No id is longer.
constexpr std::size_t longest_id = 256;

/// The ids of files, batches, responses, conversations, containers and the like that a request names, hashed,
/// in their order: those of its path (`/v1/files/ID/content`), then those of its JSON body
/// (`previous_response_id`, `conversation`, `input_file_id`, `file_ids`, …), wherever they stand as values of
/// such members; not in text, in `metadata`, in schemas, nor in what a tool was called with. `body` is
/// without its content coding and has `body_padding` readable bytes behind its end. Pure; a body without any
/// such member is looked through once, and not parsed.
IdHashes named_ids(std::string_view method, std::string_view path, std::string_view body);

}  // namespace route
