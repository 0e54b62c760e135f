// Paths that a client put together out of a base URL that says too much.
#pragma once

#include <string>
#include <string_view>

namespace route {

/// What is wrong with a path like `/v1/v1/models` or `/v1/chat/completions/chat/completions`, for people; ""
/// when nothing is. `path` has no query.
std::string doubled_path(std::string_view path);

}  // namespace route
