#pragma once

#include <string>

#include "app/config/config_file.hpp"
#include "tests/support/catch.hpp"

namespace route::tests {

inline ReadResult<Configuration> parse(const std::string& text)
{
    auto parsed = parse_configuration(text, "f.toml", "/etc/route");
    if (parsed.has_value())
        if (auto errors = check_configuration(*parsed); !errors.empty())
            return errors;
    return parsed;
}

inline Settings settings_of(const std::string& text)
{
    const auto parsed = parse(text);
    if (parsed.has_error())
        FAIL(describe(parsed.error().front()));
    return parsed->settings;
}

inline ConfigErrors errors_of(const std::string& text)
{
    const auto parsed = parse(text);
    INFO(text);
    REQUIRE(parsed.has_error());
    return parsed.error();
}

/// Of a text with one error.
inline ConfigError error_of(const std::string& text)
{
    const auto errors = errors_of(text);
    INFO(text);
    REQUIRE(errors.size() == 1);
    return errors.front();
}

inline Settings defaults()
{
    Settings settings;
    settings.storage.sqlite = "/etc/route/db.sqlite";
    settings.storage.outbox = "/etc/route/outbox.sqlite";
    return settings;
}

}  // namespace route::tests
