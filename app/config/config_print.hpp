#pragma once

#include <string>

#include "core/settings.hpp"

namespace route {

/// The settings as TOML that reads back as the same, secrets masked apart: keys by mask_key(), passwords of
/// URLs and webhooks as `…`.
std::string print_settings(const Settings& settings);

}  // namespace route
