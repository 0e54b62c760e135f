#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/header_fields.hpp"

namespace route {

/// Whether `source` names what can make a session: a top-level member of JSON (`prompt_cache_key`), or
/// `header:NAME`.
bool valid_session_source(std::string_view source);

/// Of the sources in their order the first for which the request has a value that is not empty: a string or a
/// number. Nothing when there is none. `body` is without its content coding and has `body_padding` readable
/// bytes behind its end; what is no JSON object has no members. Pure; one pass over the body, none where no
/// source is a member.
std::optional<std::string> session_key(const std::vector<std::string>& sources, const HeaderFields& fields,
                                       std::string_view body);

}  // namespace route
