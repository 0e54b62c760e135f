#pragma once

#include <vector>

#include "app/config/config_file.hpp"
#include "notify/channel.hpp"

namespace route {

/// The channels that `[notify]` names, and those that FEISHU_WEBHOOK and MATRIX_API of the environment name;
/// references to secrets are resolved now. Refused, too, where the environment's proxies cannot be used. The
/// error names the key; located() says where it is.
ConfigResult<std::vector<notify::ChannelPtr>> make_channels(const NotifySettings& settings);

}  // namespace route
