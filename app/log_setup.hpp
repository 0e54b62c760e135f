#pragma once

#include <spdlog/formatter.h>
#include <spdlog/logger.h>

#include <memory>

#include "core/record.hpp"
#include "core/settings.hpp"

namespace route {

/// Makes spdlog's default logger write to standard error as `settings` say. May be called again (a reload):
/// loggers that exist are changed in place, from any thread.
void set_up_logging(const LogSettings& settings);

/// Logs one line about a finished request, at level info: written by the next flush_access_log(), or when
/// many wait. Call set_up_logging() before.
void log_access(const Record& record);
void flush_access_log();

/// One line: text `2026-11-23T15:00:00.123Z info  message`, or JSON `{"time":…,"level":…,"msg":…}`.
std::unique_ptr<spdlog::formatter> log_formatter(LogFormat format);

}  // namespace route
