#pragma once

#include <string_view>

#include "core/openai/request_facts.hpp"

namespace route {

/// The facts of a multipart/form-data body (RFC 7578) whose Content-Type names `boundary`. Broken ones have
/// none; refused are two fields `model`, more than 1000 parts and a part with more than 16 KiB of headers.
Result<RequestFacts> read_multipart_facts(std::string_view boundary, std::string_view body);

}  // namespace route
