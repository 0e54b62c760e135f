#pragma once

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>
#include <string>
#include <string_view>

namespace route::test {

/// What is logged while it lives.
class LogCapture
{
  public:
    LogCapture() : previous_{spdlog::default_logger()}
    {
        spdlog::set_default_logger(
            std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
    }
    ~LogCapture() { spdlog::set_default_logger(previous_); }

    /// To be asked once nobody logs any more.
    std::string text() const { return text_.str(); }

    std::size_t count(std::string_view words) const
    {
        const auto text = text_.str();
        std::size_t found = 0;
        for (auto at = text.find(words); at != std::string::npos; at = text.find(words, at + 1))
            ++found;
        return found;
    }

  private:
    std::shared_ptr<spdlog::logger> previous_;
    std::ostringstream text_;
};

}  // namespace route::test
