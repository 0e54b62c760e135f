#pragma once

#include <string>
#include <string_view>

#include "core/openai/request_facts.hpp"

namespace route {

/// A name or value of a query as a form's (WHATWG URL 5.1): `%41` and `+`. `most` bytes of it, as many as a
/// longer one is told apart by.
std::string percent_decoded(std::string_view encoded, std::size_t most);

/// The facts of a request that names its model in its query, as one for WebSocket does
/// (`/v1/realtime?model=gpt-realtime`): `model`, and where its value stands in the query. `query` is with its
/// '?', or empty. Its value is read as a form's (WHATWG URL 5.1): `%41` and `+`. Refused are two members
/// `model`, as upstreams could disagree with us on which counts.
Result<RequestFacts> read_query_facts(std::string_view query);

/// The query with the value of `model` replaced, every other byte as it was.
std::string rename_model_in_query(std::string_view query, const RequestFacts& facts, std::string_view model);

}  // namespace route
