#pragma once

#include <string>
#include <vector>

#include "app/upstream_file.hpp"

namespace route {

/// What an import does to the upstream one entry of its file speaks of.
struct ImportStep
{
    enum class Kind
    {
        add,
        change,
        keep,     ///< it is so already
        foreign,  ///< one of the configuration file: not the database's to change
    };
    Kind kind = Kind::keep;
    UpstreamDefinition definition;    ///< as it is to be; id 0 when added
    std::vector<std::string> fields;  ///< that change
};

/// What importing `filed` into a database that holds `stored` does, in the file's order. An entry is matched
/// by its name, else by key and endpoint. A key and a proxy the file does not have stay as they are stored,
/// all other fields become what the file says or the default. Refuses, naming `file` and the line, what would
/// leave two upstreams with one name or with one key and endpoint, or one without a key.
ConfigResult<std::vector<ImportStep>> plan_import(const std::vector<FiledUpstream>& filed,
                                                  const std::vector<UpstreamDefinition>& stored,
                                                  const std::vector<UpstreamDefinition>& configured,
                                                  const std::string& file);

}  // namespace route
