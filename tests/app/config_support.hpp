#pragma once

#include <string>

#include "app/config_file.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {

inline ConfigResult<Configuration> parse(const std::string& text)
{
    auto parsed = parse_configuration(text, "f.toml", "/etc/route");
    if (parsed.has_value())
        if (const auto error = check_configuration(*parsed))
            return *error;
    return parsed;
}

inline Settings settings_of(const std::string& text)
{
    const auto parsed = parse(text);
    if (parsed.has_error())
        FAIL(describe(parsed.error()));
    return parsed->settings;
}

inline ConfigError error_of(const std::string& text)
{
    const auto parsed = parse(text);
    INFO(text);
    REQUIRE(parsed.has_error());
    return parsed.error();
}

inline Settings defaults()
{
    Settings settings;
    settings.storage.sqlite = "/etc/route/db.sqlite";
    settings.storage.outbox = "/etc/route/outbox.sqlite";
    return settings;
}

}  // namespace route::tests
