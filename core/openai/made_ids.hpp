// Which things an upstream made, as its reply says (SPEC 5.14).
#pragma once

#include <cstdint>
#include <string_view>

#include "core/id_hash.hpp"
#include "core/openai/api.hpp"
#include "core/openai/sse_parser.hpp"

namespace route {

/// What a reply may be read for.
enum class Making : std::uint8_t
{
    nothing,
    thing,     ///< a file, a batch, a list of them: its own id, and files it names
    response,  ///< of the Responses API
    message,   ///< Anthropic's: the container it ran code in, files that came of it
    run,       ///< of assistants: its thread
};

/// Of one reply, that are remembered.
constexpr std::size_t most_made_ids = 200;

/// Whether making_of() can be anything but `nothing`.
constexpr bool may_make(Api api)
{
    return api == Api::other || api == Api::responses || api == Api::messages;
}

/// By the request's method and its path without the query. Chat completions make nothing that is asked for by
/// its id, deleting and lists of what is inside a thing do not either.
Making making_of(std::string_view method, std::string_view path);

/// Adds the ids that a JSON reply makes, or names as made (`output_file_id`), hashed. `json` needs no
/// padding; of one that is broken, or the beginning of one, what stands before that counts. Not the id of a
/// response that was not stored (`"store": false`).
void add_made_ids(Making making, std::string_view json, IdHashes& ids);

/// The same of one event of a stream.
void add_made_ids(Making making, const SseEvent& event, IdHashes& ids);

}  // namespace route
