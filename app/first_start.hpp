#pragma once

#include <string>

#include "core/result.hpp"
#include "core/settings.hpp"
#include "storage/open.hpp"

namespace route {

/// What the first start with a database makes, so that serving begins with nothing set up (SPEC 3): a client
/// key where none is configured or stored, and an upstream out of OPENAI_API_KEY where none is configured and
/// none ever was stored. Of routers that start together one makes them. Changes `start` to what is stored
/// afterwards. Throws StorageError; says why a key cannot be shown, and then makes none.
Result<void> make_what_is_missing(const Settings& settings, storage::OpenedStorage& start);

}  // namespace route
