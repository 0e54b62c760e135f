#include "app/config/config_values.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include "core/text.hpp"

namespace route {
namespace {

struct Unit
{
    std::string_view name;
    std::uint64_t factor;
};

constexpr std::array<Unit, 4> size_units{
    {{"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}}};
constexpr std::array<Unit, 5> time_units{{{"w", 604800}, {"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}}};

struct Quantity
{
    std::uint64_t number;
    std::string_view unit;
};

std::optional<Quantity> split_quantity(std::string_view text)
{
    Quantity quantity{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), quantity.number);
    if (error != std::errc{})
        return std::nullopt;
    quantity.unit = text.substr(static_cast<std::size_t>(end - text.data()));
    return quantity;
}

template <std::size_t N>
std::optional<std::uint64_t> in_units(const std::array<Unit, N>& units, const Quantity& quantity)
{
    const auto unit =
        std::find_if(units.begin(), units.end(), [&](const Unit& u) { return u.name == quantity.unit; });
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (unit == units.end() || quantity.number > largest / unit->factor)
        return std::nullopt;
    return quantity.number * unit->factor;
}

template <std::size_t N>
const Unit& largest_divisor(const std::array<Unit, N>& units, std::uint64_t number)
{
    return *std::find_if(units.begin(), units.end(), [&](const Unit& u) { return number % u.factor == 0; });
}

bool is_ipv4(const std::string& text)
{
    in_addr address{};
    return inet_pton(AF_INET, text.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& text)
{
    in6_addr address{};
    return inet_pton(AF_INET6, text.c_str(), &address) == 1;
}

bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_host(std::string_view text)
{
    if (text.find_first_not_of("0123456789.") == std::string_view::npos)
        return is_ipv4(std::string{text});
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return is_alphanumeric(c) || c == '.' || c == '-'; });
}

}  // namespace

Result<std::uint64_t> parse_size(std::string_view text)
{
    if (auto quantity = split_quantity(text)) {
        if (quantity->unit.empty())
            quantity->unit = "B";
        if (const auto bytes = in_units(size_units, *quantity))
            return *bytes;
    }
    return Invalid{R"(a size such as "64MiB", "512KiB" or a number of bytes)"};
}

std::string format_size(std::uint64_t bytes)
{
    if (bytes == 0)
        return "0B";
    const auto& unit = largest_divisor(size_units, bytes);
    return fmt::format("{}{}", bytes / unit.factor, unit.name);
}

Result<Seconds> parse_duration(std::string_view text)
{
    constexpr std::uint64_t century = 100ull * 366 * 86400;
    if (const auto quantity = split_quantity(text))
        if (const auto seconds = in_units(time_units, *quantity);
            seconds && *seconds > 0 && *seconds <= century)
            return Seconds{static_cast<double>(*seconds)};
    return Invalid{R"(a duration such as "30d", "12h" or "45m")"};
}

std::string format_duration(Seconds duration)
{
    const auto seconds = static_cast<std::uint64_t>(duration.count());
    const auto& unit = largest_divisor(time_units, seconds);
    return fmt::format("{}{}", seconds / unit.factor, unit.name);
}

Result<ListenAddress> parse_listen(std::string_view text)
{
    Invalid expected{"HOST:PORT, :PORT or [IPV6]:PORT"};
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || has_control_characters(text))
        return expected;
    ListenAddress address;
    const auto port = text.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
    if (error != std::errc{} || end != port.data() + port.size())
        return expected;
    auto host = text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
        if (!is_ipv6(std::string{host.substr(0, host.find('%'))}))
            return expected;
    } else if (!host.empty() && !is_host(host)) {
        return expected;
    }
    address.host = host;
    return address;
}

bool valid_network(std::string_view text)
{
    const auto slash = text.find('/');
    const std::string address{text.substr(0, slash)};
    const bool v4 = is_ipv4(address);
    if ((!v4 && !is_ipv6(address)) || has_control_characters(address))
        return false;
    if (slash == std::string_view::npos)
        return true;
    const auto bits = split_quantity(text.substr(slash + 1));
    return bits && bits->unit.empty() && bits->number <= (v4 ? 32u : 128u);
}

bool valid_variable_name(std::string_view name)
{
    return !name.empty() && (name.front() < '0' || name.front() > '9') &&
           std::all_of(name.begin(), name.end(), [](char c) { return is_alphanumeric(c) || c == '_'; });
}

bool has_control_characters(std::string_view text)
{
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool valid_client_key(std::string_view key)
{
    return !key.empty() && !has_control_characters(key) && key.find(' ') == std::string_view::npos;
}

bool valid_key_name(std::string_view name)
{
    return !name.empty() && name.size() <= 64 && name.front() != ' ' && name.back() != ' ' &&
           !has_control_characters(name) && valid_utf8(name);
}

bool is_postgres_url(std::string_view text)
{
    return text.starts_with("postgresql://") || text.starts_with("postgres://");
}

bool has_encoded_user(std::string_view postgres_url)
{
    const auto begin = postgres_url.find("://") + 3;
    const auto authority = postgres_url.substr(begin, postgres_url.find_first_of("/?#", begin) - begin);
    const auto before_query = postgres_url.substr(begin, postgres_url.find('?', begin) - begin);
    const auto at = before_query.rfind('@');
    return at == std::string_view::npos || (at < authority.size() && authority.find('@') == at);
}

std::string mask_url(std::string_view url)
{
    std::string shown{url};
    const auto scheme = shown.find("://");
    const auto begin = scheme == std::string::npos ? 0 : scheme + 3;
    // A password may hold '@' where it should be encoded: the last one ends the user information. Of
    // PostgreSQL's URLs the last of all: there is nothing else in it for '/' and the like to begin.
    const auto authority_end =
        is_postgres_url(url) ? shown.size() : std::min(shown.find_first_of("/?#", begin), shown.size());
    const auto at = shown.substr(0, authority_end).rfind('@');
    if (at != std::string::npos && at >= begin) {
        const auto colon = shown.find(':', begin);
        if (colon < at)
            shown.replace(colon + 1, at - colon - 1, "…");
    }
    constexpr std::string_view parameter = "password=";
    for (auto found = shown.find(parameter); found != std::string::npos;
         found = shown.find(parameter, found)) {
        found += parameter.size();
        const auto end = std::min(shown.find_first_of("&#", found), shown.size());
        shown.replace(found, end - found, "…");
    }
    return shown;
}

std::string mask_proxy(std::string_view setting)
{
    auto shown = mask_url(setting);
    const auto scheme = shown.find("://");
    const auto at = shown.rfind('@');
    if (scheme == std::string::npos || at == std::string::npos || shown.find(':', scheme + 3) < at)
        return shown;
    return shown.replace(scheme + 3, at - scheme - 3, "…");
}

std::map<std::string, std::string> mask_headers(std::map<std::string, std::string> headers)
{
    for (auto& [name, value] : headers)
        if (is_secret_header(name, value))
            value = mask_key(value);
    return headers;
}

}  // namespace route
