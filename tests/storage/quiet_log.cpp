#include <spdlog/spdlog.h>

namespace {

/// What the tests provoke is not what the reader of their output looks for; a test of a log line brings a
/// logger of its own.
[[maybe_unused]] const bool quiet = (spdlog::set_level(spdlog::level::off), true);

}  // namespace
