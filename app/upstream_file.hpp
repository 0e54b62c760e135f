#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/config/config_file.hpp"

namespace route {

/// One `[[upstreams]]` entry of a file to be imported; `sk` is "" when the file has none, `name` likewise.
struct FiledUpstream
{
    UpstreamDefinition definition;
    bool has_proxy = false;
    bool has_headers = false;
    std::size_t line = 0;
};

/// Reads a file that holds `[[upstreams]]` tables and nothing else, under the rules of the configuration
/// file. References to secrets stay as they are: the database's are not relative to a file.
ReadResult<std::vector<FiledUpstream>> parse_upstreams(std::string_view text, const std::string& file);

}  // namespace route
