// The configuration file, and a file of upstreams to be imported.
#include "app/config/config_file.hpp"
#include "app/config/config_print.hpp"
#include "app/config/config_values.hpp"
#include "app/config/secrets.hpp"
#include "app/upstream_file.hpp"
#include "core/net/loop/routing_table.hpp"
#include "core/text.hpp"
#include "tests/fuzz/input.hpp"

using namespace route;
using namespace route::fuzz;

namespace {

void check_error(const ConfigError& error, std::string_view text)
{
    const auto words = describe(error);
    require(!error.problem.empty(), "a refusal says why");
    require(valid_utf8(words) && words.find_first_of("\r\n") == std::string::npos, "a refusal is one line");
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
    require(error.line <= lines, "a refusal names a line of the file");
}

void check_errors(const ConfigErrors& errors, std::string_view text)
{
    require(!errors.empty(), "a refusal has a reason");
    for (const auto& error : errors)
        check_error(error, text);
}

bool shown(const std::string& secret)
{
    return secret.empty() || is_secret_reference(secret) || secret == "asis";
}

/// Whether print_settings() has nothing to mask.
bool shows_all(const Settings& settings)
{
    for (const auto& key : settings.auth.keys)
        if (!shown(key.key))
            return false;
    for (const auto& upstream : settings.upstreams)
        if (!shown(upstream.sk) || mask_url(upstream.proxy) != upstream.proxy)
            return false;
    return mask_url(settings.storage.postgres) == settings.storage.postgres &&
           mask_url(settings.upstream.proxy) == settings.upstream.proxy &&
           shown(settings.notify.feishu_webhook) && shown(settings.notify.feishu_secret) &&
           shown(settings.notify.matrix_token);
}

void check_configuration_file(std::string_view text)
{
    const auto configuration = parse_configuration(text, "file.toml", "/etc/route");
    if (configuration.has_error()) {
        check_errors(configuration.error(), text);
        return;
    }
    for (const auto& error : check_configuration(*configuration))
        check_error(error, text);
    net::RoutingTable table;
    require(net::set_trusted_proxies(table, configuration->settings.server.trusted_proxies).has_value(),
            "proxies that are trusted can be told");
    const auto printed = print_settings(configuration->settings);
    require(valid_utf8(printed), "what is printed is UTF-8");
    if (!shows_all(configuration->settings))
        return;
    const auto again = parse_configuration(printed, "printed.toml", "/etc/route");
    require(again.has_value(), "what is printed can be read");
    require(again->settings == configuration->settings, "what is printed reads back as the same");
    require(restart_needed(configuration->settings, again->settings).empty(), "nothing has changed");
}

void check_upstream_file(std::string_view text)
{
    const auto upstreams = parse_upstreams(text, "upstreams.toml");
    if (upstreams.has_error()) {
        check_errors(upstreams.error(), text);
        return;
    }
    for (const auto& filed : *upstreams) {
        auto definition = filed.definition;
        if (definition.sk.empty())
            definition.sk = "asis";
        require(make_upstream(definition, unresolved_secrets(), nullptr).has_value(),
                "what is read can be used");
    }
}

void check_notations(std::string_view text)
{
    if (const auto size = parse_size(text))
        require(*parse_size(format_size(*size)) == *size, "a size reads back as the same");
    if (const auto duration = parse_duration(text))
        require(*parse_duration(format_duration(*duration)) == *duration,
                "a duration reads back as the same");
    if (const auto address = parse_listen(text))
        require(!has_control_characters(address->host), "a host has no control characters");
    (void)valid_network(text);
    (void)mask_url(text);
    (void)valid_key_name(text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const Bytes bytes{Input{data, size}.bytes()};
    check_configuration_file(bytes.view());
    check_upstream_file(bytes.view());
    check_notations(bytes.view());
    return 0;
}
