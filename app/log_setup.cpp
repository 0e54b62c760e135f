#include "app/log_setup.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <cstdio>
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

std::unique_ptr<spdlog::formatter> bare_formatter()
{
    return std::make_unique<spdlog::pattern_formatter>("%v");
}

}  // namespace

std::unique_ptr<spdlog::formatter> log_formatter(LogFormat format)
{
    if (format == LogFormat::json)
        return std::make_unique<JsonFormatter>();
    return std::make_unique<spdlog::pattern_formatter>("%Y-%m-%dT%H:%M:%S.%eZ %-5l %v",
                                                       spdlog::pattern_time_type::utc);
}

void set_up_logging(const LogSettings& settings)
{
    auto& both = loggers();
    const auto level = spdlog::level::from_str(settings.level);
    both.format = settings.format;
    both.general->set_formatter(log_formatter(settings.format));
    both.access->set_formatter(settings.format == LogFormat::json ? bare_formatter()
                                                                  : log_formatter(LogFormat::text));
    both.general->set_level(level);
    both.access->set_level(level);
    if (spdlog::default_logger_raw() != both.general.get())
        spdlog::set_default_logger(both.general);
}

void log_access(const Record& record)
{
    auto& both = loggers();
    if (both.access->should_log(spdlog::level::info))
        both.access->log(spdlog::level::info, access_line(record, both.format));
}

void flush_access_log()
{
    loggers().access->flush();
}

}  // namespace route
