// The fields by which a reply asks its client to wait.
#include "core/failover/retry_after.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <iomanip>
#include <locale>
#include <sstream>

#include "core/text.hpp"

namespace route {

namespace {

/// Longer waits are cut here, far above any use, so that no later sum overflows.
constexpr std::chrono::seconds longest_wait = std::chrono::hours{24 * 365};
constexpr std::size_t longest_value = 64;

/// A decimal number of `unit`, rounded up: not a moment before the time that is asked for.
std::optional<std::chrono::milliseconds> parse_decimal(std::string_view digits,
                                                       std::chrono::milliseconds unit)
{
    double count = 0;
    const auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), count, std::chars_format::fixed);
    if (error != std::errc{} || stop != digits.data() + digits.size() || digits.back() == '.')
        return std::nullopt;
    using Wait = std::chrono::duration<double, std::milli>;
    return std::chrono::ceil<std::chrono::milliseconds>(std::min<Wait>(count * unit, longest_wait));
}

bool begins_with_digit(std::string_view value)
{
    return !value.empty() && value.size() <= longest_value && value.front() >= '0' && value.front() <= '9';
}

/// RFC 9110 5.6.7: a two-digit year more than 50 years ahead is the past one with these digits.
std::chrono::year full_year(const std::tm& fields, bool two_digits, std::chrono::system_clock::time_point now)
{
    const int read = fields.tm_year + 1900;
    if (!two_digits)
        return std::chrono::year{read};
    const auto today = std::chrono::year_month_day{std::chrono::floor<std::chrono::days>(now)};
    const int this_year = static_cast<int>(today.year());
    int year = this_year - this_year % 100 + read % 100;
    if (year > this_year + 50)
        year -= 100;
    return std::chrono::year{year};
}

struct DateFormat
{
    const char* format;
    bool two_digit_year;
};

// The '$' stands for the end: get_time takes a date that stops early, but not a missing character.
constexpr std::array<DateFormat, 3> date_formats{{
    {"%a, %d %b %Y %H:%M:%S GMT$", false},  // IMF-fixdate
    {"%A, %d-%b-%y %H:%M:%S GMT$", true},   // RFC 850
    {"%a %b %d %H:%M:%S %Y$", false},       // asctime
}};

std::optional<std::chrono::sys_seconds> parse_http_date(std::string_view value,
                                                        std::chrono::system_clock::time_point now)
{
    for (const auto& [format, two_digit_year] : date_formats) {
        std::istringstream in{std::string{value} + '$'};
        in.imbue(std::locale::classic());  // English names, whatever the process speaks
        std::tm fields{};
        in >> std::get_time(&fields, format);
        if (in.fail() || in.peek() != std::istringstream::traits_type::eof())
            continue;
        const std::chrono::year_month_day date{full_year(fields, two_digit_year, now),
                                               std::chrono::month(static_cast<unsigned>(fields.tm_mon + 1)),
                                               std::chrono::day(static_cast<unsigned>(fields.tm_mday))};
        if (!date.ok())
            return std::nullopt;
        return std::chrono::sys_days{date} + std::chrono::hours{fields.tm_hour} +
               std::chrono::minutes{fields.tm_min} + std::chrono::seconds{fields.tm_sec};
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_retry_after(std::string_view value,
                                                           std::chrono::system_clock::time_point now)
{
    value = trim(value);
    if (value.empty() || value.size() > longest_value)
        return std::nullopt;
    if (begins_with_digit(value))
        return parse_decimal(value, std::chrono::seconds{1});
    const auto date = parse_http_date(value, now);
    if (!date)
        return std::nullopt;
    // The present rounded down is the wait rounded up: not a moment before the date.
    const auto wait = *date - std::chrono::floor<std::chrono::seconds>(now);
    if (wait < std::chrono::seconds::zero())
        return std::nullopt;
    return std::min(wait, longest_wait);
}

std::optional<std::chrono::milliseconds> parse_retry_after_ms(std::string_view value)
{
    value = trim(value);
    if (!begins_with_digit(value))
        return std::nullopt;
    return parse_decimal(value, std::chrono::milliseconds{1});
}

std::optional<std::chrono::milliseconds> asked_wait(std::string_view retry_after_ms,
                                                    std::string_view retry_after,
                                                    std::chrono::system_clock::time_point now)
{
    const auto precise = parse_retry_after_ms(retry_after_ms);
    return precise ? precise : parse_retry_after(retry_after, now);
}

}  // namespace route
