#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/openai/json_members.hpp"
#include "core/result.hpp"

namespace route {

/// Bytes of a model's name that are looked at. No model has a name as long: what is longer is cut there
/// before anything else reads it.
constexpr std::size_t max_model_name = 1024;

/// What the router needs to know of a request's body.
struct RequestFacts
{
    /// Top-level `model` of JSON (a string), or the multipart field of that name; the beginning of one that
    /// is longer than `max_model_name`.
    std::optional<std::string> model;
    bool model_cut = false;  ///< `model` is a beginning
    bool stream = false;     ///< top-level `"stream": true`, or the multipart field `stream` that says true
    /// Where the value of `model` stands in the body, quotes included for JSON, so that `rename` changes
    /// these bytes only.
    std::size_t model_begin = 0;
    std::size_t model_end = 0;
    bool model_is_json = false;
    bool model_in_query = false;  ///< they count in the query: read_query_facts()
    /// Of a JSON object in which members were looked for: where it begins, how many it has, and those.
    std::optional<std::size_t> object_begin;
    std::size_t member_count = 0;
    std::vector<JsonMember> members;
};

/// Spare bytes a body needs behind its end: simdjson reads over it.
constexpr std::size_t body_padding = 64;

/// How much is made of a body that others could read otherwise.
enum class Reading
{
    lenient,
    strict,  ///< a rule depends on the model: what is doubtful is refused
};

/// Reads the facts out of a body. `body` must have `body_padding` readable bytes behind its end. A body that
/// is neither a JSON object nor multipart, or is broken, has no facts and is no error: upstreams judge
/// bodies. Refused are two top-level `model` members, as upstreams could disagree with us on which counts,
/// and multipart bodies of too many parts. With a strict reading a body that is said to be JSON, or begins as
/// an object, is refused also where readers disagree on it: a byte order mark, a second value, invalid UTF-8,
/// trailing commas, comments, `model` in other letters, and whatever else is no JSON. Escapes in keys count
/// ("mod\u0065l" is model). `content_type` decides: multipart/form-data, else JSON is tried when the first
/// non-blank byte is '{'. Where there are `wanted` top-level members, it is noted where they stand. Pure;
/// takes time linear in the body, and facts_memory() bytes beside it.
Result<RequestFacts> read_request_facts(std::string_view content_type, std::string_view body,
                                        Reading reading = Reading::lenient, const MemberNames& wanted = {});

/// Bytes that reading the facts of a body takes at most while it lasts: simdjson sets aside four for each
/// byte of JSON (where its brackets, commas and strings are; touched only for those there are) and room for
/// its strings. None that is freed for bodies so short that each thread keeps a parser for them.
std::size_t facts_memory(std::size_t body_bytes);

/// The body with the value of `model` replaced, every other byte as it was.
std::string rename_model(std::string_view body, const RequestFacts& facts, std::string_view model);

}  // namespace route
