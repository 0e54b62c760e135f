#pragma once

#include <functional>
#include <memory>

#include "core/settings.hpp"
#include "notify/agreement.hpp"

namespace route {

/// How routers that share the database of `settings` agree on who sends a message; makes null when there is
/// no such database. Connects to nothing before it is asked.
std::function<std::unique_ptr<notify::Agreement>()> agreement_over(const StorageSettings& settings);

}  // namespace route
