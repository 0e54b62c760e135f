#include "app/log_setup.hpp"

#include <spdlog/async.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "app/access_log.hpp"
#include "app/json_text.hpp"
#include "core/text.hpp"
#include "core/timestamps.hpp"

namespace route {
namespace {

class JsonFormatter : public spdlog::formatter
{
  public:
    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override
    {
        fmt::memory_buffer line;
        const auto level = spdlog::level::to_string_view(message.level);
        const auto time = std::chrono::time_point_cast<SystemTime::duration>(message.time);
        fmt::format_to(std::back_inserter(line), R"({{"time":"{}","level":"{}","msg":)",
                       format_timestamp(time), std::string_view{level.data(), level.size()});
        append_json_string(line, clean_utf8(std::string{message.payload.data(), message.payload.size()}));
        line.append(std::string_view{"}\n"});
        out.append(line.data(), line.data() + line.size());
    }

    std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(); }
};

/// The levels of syslog (sd-daemon(3)).
int journal_priority(spdlog::level::level_enum level)
{
    switch (level) {
        case spdlog::level::critical:
            return 2;
        case spdlog::level::err:
            return 3;
        case spdlog::level::warn:
            return 4;
        case spdlog::level::info:
            return 6;
        default:
            return 7;
    }
}

/// Lines of another formatter, each with its priority.
class JournalFormatter : public spdlog::formatter
{
  public:
    explicit JournalFormatter(std::unique_ptr<spdlog::formatter> lines) : lines_{std::move(lines)} {}

    void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override
    {
        fmt::format_to(std::back_inserter(out), "<{}>", journal_priority(message.level));
        lines_->format(message, out);
    }

    std::unique_ptr<spdlog::formatter> clone() const override
    {
        return std::make_unique<JournalFormatter>(lines_->clone());
    }

  private:
    std::unique_ptr<spdlog::formatter> lines_;
};

std::unique_ptr<spdlog::formatter> for_reader(std::unique_ptr<spdlog::formatter> lines, LogReader reader)
{
    if (reader == LogReader::any)
        return lines;
    return std::make_unique<JournalFormatter>(std::move(lines));
}

/// Standard error, written to once for many lines: a system call for each would cost more than the line.
class BatchedErrorSink final : public spdlog::sinks::base_sink<std::mutex>
{
  public:
    ~BatchedErrorSink() override { write(); }

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override
    {
        constexpr std::size_t many = 64u << 10;
        formatter_->format(message, lines_);
        if (lines_.size() > many)
            write();
    }
    void flush_() override { write(); }

  private:
    void write()
    {
        std::fwrite(lines_.data(), 1, lines_.size(), stderr);
        lines_.clear();
    }

    spdlog::memory_buf_t lines_;
};

/// The two loggers: the access lines in JSON are whole lines already.
struct Loggers
{
    std::shared_ptr<spdlog::logger> general;
    std::shared_ptr<spdlog::logger> access;
    std::atomic<LogFormat> format{LogFormat::text};
};

Loggers& loggers()
{
    static Loggers both{
        std::make_shared<spdlog::logger>("general", std::make_shared<spdlog::sinks::stderr_sink_mt>()),
        std::make_shared<spdlog::logger>("access", std::make_shared<BatchedErrorSink>())};
    return both;
}

/// As an access line, and written at once, but by another thread. While that cannot write, the oldest of what
/// waits is left out.
void log_soon(spdlog::level::level_enum level, const std::string& line)
{
    constexpr std::size_t most_waiting = 1024;
    static const auto thread = std::make_shared<spdlog::details::thread_pool>(most_waiting, 1);
    static const auto logger = std::make_shared<spdlog::async_logger>(
        "soon", loggers().access->sinks().front(), thread, spdlog::async_overflow_policy::overrun_oldest);
    if (!loggers().access->should_log(level))
        return;
    logger->log(level, line);
    logger->flush();
}

/// Of lines that are whole already in JSON.
std::unique_ptr<spdlog::formatter> access_formatter(LogFormat format, LogReader reader)
{
    if (format == LogFormat::text)
        return log_formatter(format, reader);
    return for_reader(std::make_unique<spdlog::pattern_formatter>("%v"), reader);
}

}  // namespace

LogReader reader_of(int descriptor, const char* journal_stream)
{
    struct stat file = {};
    if (journal_stream == nullptr || ::fstat(descriptor, &file) != 0)
        return LogReader::any;
    return journal_stream == fmt::format("{}:{}", file.st_dev, file.st_ino) ? LogReader::journal
                                                                            : LogReader::any;
}

std::unique_ptr<spdlog::formatter> log_formatter(LogFormat format, LogReader reader)
{
    if (format == LogFormat::json)
        return for_reader(std::make_unique<JsonFormatter>(), reader);
    const auto* pattern = reader == LogReader::journal ? "%-5l %v" : "%Y-%m-%dT%H:%M:%S.%eZ %-5l %v";
    return for_reader(std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc),
                      reader);
}

void set_up_logging(const LogSettings& settings)
{
    auto& both = loggers();
    const auto level = spdlog::level::from_str(settings.level);
    const auto reader = reader_of(STDERR_FILENO, std::getenv("JOURNAL_STREAM"));
    both.format = settings.format;
    both.general->set_formatter(log_formatter(settings.format, reader));
    both.access->set_formatter(access_formatter(settings.format, reader));
    both.general->set_level(level);
    both.access->set_level(level);
    if (spdlog::default_logger_raw() != both.general.get())
        spdlog::set_default_logger(both.general);
}

void log_access(const Record& record)
{
    auto& both = loggers();
    if (record.attempts.size() > 1 && both.access->should_log(spdlog::level::warn))
        for (const auto& line : failover_lines(record, both.format))
            both.access->log(spdlog::level::warn, line);
    if (both.access->should_log(spdlog::level::info))
        both.access->log(spdlog::level::info, access_line(record, both.format));
}

void log_cooldown(const CooldownStart& start)
{
    const auto line = cooldown_line(start, std::chrono::system_clock::now(), loggers().format);
    log_soon(spdlog::level::warn, line);
}

void log_recovery(const CooldownEnd& end)
{
    const auto line = recovery_line(end, std::chrono::system_clock::now(), loggers().format);
    log_soon(spdlog::level::info, line);
}

void flush_access_log()
{
    loggers().access->flush();
}

}  // namespace route
