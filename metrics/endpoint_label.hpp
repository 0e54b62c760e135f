#pragma once

#include <cstddef>
#include <string_view>

namespace route::metrics {

/// Which of the known paths of the OpenAI and Anthropic APIs `path` (without a query) is; 0 for any other.
/// Less than endpoint_labels().
std::size_t endpoint_index(std::string_view path);

/// Value of the label `endpoint`: "/v1/chat/completions", "/v1/models/:model", "other".
std::string_view endpoint_label(std::size_t index);

/// How many values there are.
std::size_t endpoint_labels();

}  // namespace route::metrics
