#pragma once

#include <functional>
#include <iosfwd>

#include "app/config/config_file.hpp"

namespace route::cli {

/// Runs one command line; `serve` is called for `serve` and when no command is named. Returns the process's
/// exit code: 0 done, 1 failed, 2 wrong usage; for the latter two there is one line `openai-api-route:
/// REASON` on `err`. Throws nothing.
int run(int argc, const char* const* argv, std::istream& in, std::ostream& out, std::ostream& err,
        const std::function<int(const ServeOptions&)>& serve);

}  // namespace route::cli
