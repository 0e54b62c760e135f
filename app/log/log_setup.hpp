#pragma once

#include <spdlog/formatter.h>
#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/failover/cooldown.hpp"
#include "core/record.hpp"
#include "core/settings.hpp"

namespace route {

/// Makes spdlog's default logger write to standard error as `settings` say. May be called again (a reload):
/// loggers that exist are changed in place, from any thread.
void set_up_logging(const LogSettings& settings);

/// From now on the log is written by a thread of its own, and whoever logs never waits (LogQueue): for a
/// program that serves. Once, before other threads are made, and after the signals that are waited for are
/// blocked.
void start_log_thread();

/// Text for people, to where the log goes and in its order, as it is. Any thread.
void say(std::string_view text);

/// Waits until what was logged is written, `longest` at most: whoever reads it may not.
void flush_log(std::chrono::milliseconds longest);

/// Lines that the log's thread could not get rid of in time. Any thread.
std::uint64_t dropped_log_lines();

/// Logs what failed in a finished request and the request itself: written by the next flush_access_log(), or
/// when many wait. Call set_up_logging() before.
void log_access(const Record& record);
void flush_access_log();

/// Any thread.
void log_cooldown(const CooldownStart& start);
void log_recovery(const CooldownEnd& end);

/// Who reads the log.
enum class LogReader
{
    any,
    journal,  ///< systemd's: knows the time, and wants a priority at the begin of each line (sd-daemon(3))
};

/// The journal if $JOURNAL_STREAM, given as `journal_stream` (null: not set), names the file that is open as
/// `descriptor` (systemd.exec(5)).
LogReader reader_of(int descriptor, const char* journal_stream);

/// One line: text `2026-11-23T15:00:00.123Z info  message`, or JSON `{"time":…,"level":…,"msg":…}`; for the
/// journal `<6>info  message`, or `<6>{"time":…`.
std::unique_ptr<spdlog::formatter> log_formatter(LogFormat format, LogReader reader = LogReader::any);

}  // namespace route
