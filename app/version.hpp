#pragma once

#include <string>

namespace route {

/// `openai-api-route 1.0.0 (commit 0123abc, GCC 12.2.0)`; the commit is `unknown` for sources without their
/// repository.
std::string version_text();

}  // namespace route
