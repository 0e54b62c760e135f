#include "app/cli/time_argument.hpp"

#include <charconv>
#include <chrono>
#include <optional>

#include "app/config/config_values.hpp"

namespace route::cli {
namespace {

using namespace std::chrono;

/// Takes text apart from its front; once something did not fit, everything fails.
class Scanner
{
  public:
    explicit Scanner(std::string_view text) : rest_{text} {}

    unsigned digits(std::size_t count)
    {
        unsigned number = 0;
        if (rest_.size() < count)
            return fail();
        const auto text = rest_.substr(0, count);
        const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} || stop != text.data() + text.size())
            return fail();
        rest_.remove_prefix(count);
        return number;
    }

    /// Consumes the next character when it is one of `set`; '\0' when it is none of them.
    char one_of(std::string_view set)
    {
        if (rest_.empty() || set.find(rest_.front()) == std::string_view::npos)
            return '\0';
        const char c = rest_.front();
        rest_.remove_prefix(1);
        return c;
    }

    void expect(std::string_view set)
    {
        if (one_of(set) == '\0')
            fail();
    }

    /// The digits after a decimal point.
    nanoseconds fraction()
    {
        std::int64_t value = 0;
        int count = 0;
        for (char c = one_of("0123456789"); c != '\0'; c = one_of("0123456789"), ++count)
            if (count < 9)
                value = value * 10 + (c - '0');
        if (count == 0)
            fail();
        for (; count < 9; ++count)
            value *= 10;
        return nanoseconds{value};
    }

    bool at_end() const { return !failed_ && rest_.empty(); }
    bool failed() const { return failed_; }

  private:
    unsigned fail()
    {
        failed_ = true;
        return 0;
    }

    std::string_view rest_;
    bool failed_ = false;
};

std::optional<sys_days> scan_date(Scanner& scan)
{
    const auto y = scan.digits(4);
    scan.expect("-");
    const auto m = scan.digits(2);
    scan.expect("-");
    const auto d = scan.digits(2);
    const year_month_day date{year{static_cast<int>(y)}, month{m}, day{d}};
    // The clock counts nanoseconds in 64 bits.
    if (scan.failed() || !date.ok() || y < 1700 || y > 2200)
        return std::nullopt;
    return sys_days{date};
}

std::optional<nanoseconds> scan_time_of_day(Scanner& scan)
{
    const auto h = scan.digits(2);
    scan.expect(":");
    const auto m = scan.digits(2);
    unsigned s = 0;
    nanoseconds fraction{0};
    if (scan.one_of(":") != '\0') {
        s = scan.digits(2);
        if (scan.one_of(".") != '\0')
            fraction = scan.fraction();
    }
    if (scan.failed() || h > 23 || m > 59 || s > 60)
        return std::nullopt;
    return hours{h} + minutes{m} + seconds{s} + fraction;
}

std::optional<minutes> scan_offset(Scanner& scan)
{
    const char sign = scan.one_of("Zz+-");
    if (sign == '\0' || sign == 'Z' || sign == 'z')
        return minutes{0};
    const auto h = scan.digits(2);
    scan.expect(":");
    const auto m = scan.digits(2);
    if (scan.failed() || h > 23 || m > 59)
        return std::nullopt;
    const minutes offset = hours{h} + minutes{m};
    return sign == '-' ? -offset : offset;
}

std::optional<SystemTime> parse_calendar(std::string_view text)
{
    Scanner scan{text};
    const auto date = scan_date(scan);
    if (!date)
        return std::nullopt;
    if (scan.at_end())
        return SystemTime{*date};
    scan.expect("Tt ");
    const auto time = scan_time_of_day(scan);
    const auto offset = time ? scan_offset(scan) : std::nullopt;
    if (!offset || !scan.at_end())
        return std::nullopt;
    return SystemTime{*date} + duration_cast<SystemTime::duration>(*time - *offset);
}

}  // namespace

Result<SystemTime> parse_time(std::string_view text, SystemTime now)
{
    if (const auto time = parse_calendar(text))
        return *time;
    if (const auto ago = parse_duration(text); ago.has_value())
        return now - duration_cast<SystemTime::duration>(*ago);
    return Invalid{"a time such as 2026-01-31T12:00:00Z, a date, or how long ago: 30m, 2h, 7d"};
}

}  // namespace route::cli
