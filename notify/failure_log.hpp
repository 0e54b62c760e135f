#pragma once

#include <spdlog/spdlog.h>

#include <exception>

#include "core/text.hpp"

namespace route::notify {

/// Logs what was thrown where messages are made and sent; without the memory for that, less of it.
inline void log_failure(const char* reason) noexcept
{
    try {
        spdlog::error("messages: {}", escape_for_log(reason));
    } catch (const std::exception&) {
        spdlog::error("messages: out of memory");
    }
}

}  // namespace route::notify
