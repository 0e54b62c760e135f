#include "app/log/log_setup.hpp"

#include <spdlog/details/log_msg.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "app/json_text.hpp"
#include "app/log/access_log.hpp"
#include "app/log/log_queue.hpp"
#include "core/counted.hpp"
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

/// Standard error: by way of the log's thread once there is one, else written at once or, of many lines, with
/// the next flush.
class ErrorSink final : public spdlog::sinks::base_sink<std::mutex>
{
  public:
    ~ErrorSink() override { write(); }

    void go_by(std::shared_ptr<LogQueue> queue)
    {
        const std::lock_guard lock{mutex_};
        write();
        queue_ = std::move(queue);
    }

  protected:
    void sink_it_(const spdlog::details::log_msg& message) override
    {
        constexpr std::size_t many = 64u << 10;
        const auto before = lines_.size();
        try {
            formatter_->format(message, lines_);
        } catch (...) {
            lines_.resize(before);  // no piece of it stands before the next line
            throw;
        }
        if (queue_) {
            queue_->append({lines_.data(), lines_.size()});
            lines_.clear();
        } else if (lines_.size() > many) {
            write();
        }
    }

    void flush_() override
    {
        if (queue_)
            queue_->wake();
        else
            write();
    }

  private:
    void write()
    {
        std::fwrite(lines_.data(), 1, lines_.size(), stderr);
        lines_.clear();
    }

    spdlog::memory_buf_t lines_;
    std::shared_ptr<LogQueue> queue_;
};

void count_unmade_line(const std::string& why);

/// What spdlog does by itself about a line that cannot be made is to write to standard error, and wait.
std::shared_ptr<spdlog::logger> make_logger(const char* name, std::shared_ptr<ErrorSink> sink)
{
    auto logger = std::make_shared<spdlog::logger>(name, std::move(sink));
    logger->set_error_handler(count_unmade_line);
    return logger;
}

/// The two loggers: the access lines in JSON are whole lines already. What is general is written at once,
/// access lines with the next flush.
struct Loggers
{
    std::shared_ptr<ErrorSink> general_sink = std::make_shared<ErrorSink>();
    std::shared_ptr<ErrorSink> access_sink = std::make_shared<ErrorSink>();
    std::shared_ptr<spdlog::logger> general = make_logger("general", general_sink);
    std::shared_ptr<spdlog::logger> access = make_logger("access", access_sink);
    std::shared_ptr<LogQueue> queue;  ///< none before the log has a thread
    std::atomic<LogFormat> format{LogFormat::text};
};

Loggers& loggers()
{
    static Loggers both;
    return both;
}

void count_unmade_line(const std::string& why)
{
    if (const auto& queue = loggers().queue)
        queue->count_dropped();
    else
        std::fprintf(stderr, "a line of the log cannot be made: %s\n", why.c_str());
}

/// As an access line, and written at once.
void log_now(spdlog::level::level_enum level, const std::string& line)
{
    loggers().access->log(level, line);
    loggers().access->flush();
}

/// Of lines that are whole already in JSON.
std::unique_ptr<spdlog::formatter> access_formatter(LogFormat format, LogReader reader)
{
    if (format == LogFormat::text)
        return log_formatter(format, reader);
    return for_reader(std::make_unique<spdlog::pattern_formatter>("%v"), reader);
}

/// The line that stands where lines are missing.
std::string drop_notice(std::uint64_t lines)
{
    spdlog::memory_buf_t out;
    const auto text = fmt::format("{} of the log {} dropped: standard error was not read in time",
                                  counted(lines, "line"), lines == 1 ? "was" : "were");
    const auto reader = reader_of(STDERR_FILENO, std::getenv("JOURNAL_STREAM"));
    const spdlog::details::log_msg message{"general", spdlog::level::warn, text};
    log_formatter(loggers().format, reader)->format(message, out);
    return fmt::to_string(out);
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
    both.general->flush_on(spdlog::level::trace);
    both.access->set_level(level);
    if (spdlog::default_logger_raw() != both.general.get())
        spdlog::set_default_logger(both.general);
}

void start_log_thread()
{
    auto& both = loggers();
    both.queue = std::make_shared<LogQueue>(STDERR_FILENO, drop_notice);
    both.general_sink->go_by(both.queue);
    both.access_sink->go_by(both.queue);
}

void say(std::string_view text)
{
    const auto& queue = loggers().queue;
    if (queue) {
        queue->append(text);
        queue->wake();
    } else {
        std::fwrite(text.data(), 1, text.size(), stderr);
    }
}

void flush_log(std::chrono::milliseconds longest)
{
    if (const auto& queue = loggers().queue)
        queue->flush(longest);
}

std::uint64_t dropped_log_lines()
{
    const auto& queue = loggers().queue;
    return queue ? queue->dropped() : 0;
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
    log_now(spdlog::level::warn, line);
}

void log_recovery(const CooldownEnd& end)
{
    const auto line = recovery_line(end, std::chrono::system_clock::now(), loggers().format);
    log_now(spdlog::level::info, line);
}

void flush_access_log()
{
    loggers().access->flush();
}

}  // namespace route
