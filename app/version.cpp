#include "app/version.hpp"

#include <fmt/format.h>

namespace route {

extern const char* const built_commit;  // of the source that app/commit.cmake writes

namespace {

std::string compiler()
{
#if defined(__clang__)
    return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
    return fmt::format("GCC {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

}  // namespace

std::string version_text()
{
    return fmt::format("openai-api-route {} (commit {}, {})", ROUTE_VERSION, built_commit, compiler());
}

}  // namespace route
