#include "core/timestamps.hpp"

#include <algorithm>
#include <chrono>

namespace route {

namespace {

using namespace std::chrono;

void put(char* at, int digits, unsigned value)
{
    for (int i = digits - 1; i >= 0; --i, value /= 10)
        at[i] = static_cast<char>('0' + value % 10);
}

/// Takes what it reads from the front.
struct Reader
{
    std::string_view rest;

    std::optional<int> digits(std::size_t count)
    {
        if (rest.size() < count)
            return {};
        int value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (rest[i] < '0' || rest[i] > '9')
                return {};
            value = value * 10 + (rest[i] - '0');
        }
        rest.remove_prefix(count);
        return value;
    }

    bool one_of(std::string_view wanted)
    {
        if (rest.empty() || wanted.find(rest.front()) == wanted.npos)
            return false;
        rest.remove_prefix(1);
        return true;
    }

    /// `.123456789`, as many digits as there are; those beyond nanoseconds are dropped.
    nanoseconds fraction()
    {
        nanoseconds value{0};
        if (!one_of("."))
            return value;
        for (std::int64_t unit = 100'000'000; !rest.empty() && rest.front() >= '0' && rest.front() <= '9';
             unit /= 10) {
            value += nanoseconds{unit * (rest.front() - '0')};
            rest.remove_prefix(1);
        }
        return value;
    }

    /// What to subtract from local time; `+08:00`, `+0800`, `+08`.
    minutes offset()
    {
        one_of(" ");
        if (rest.empty() || (rest.front() != '+' && rest.front() != '-'))
            return minutes{0};
        const int sign = rest.front() == '-' ? -1 : 1;
        rest.remove_prefix(1);
        const auto hour = digits(2);
        one_of(":");
        const auto minute = digits(2);
        return minutes{sign * (hour.value_or(0) * 60 + minute.value_or(0))};
    }
};

}  // namespace

TimestampText timestamp_text(SystemTime time)
{
    constexpr sys_time<milliseconds> first = sys_days{year{0} / 1 / 1};
    constexpr sys_time<milliseconds> last = sys_days{year{10000} / 1 / 1} - milliseconds{1};
    const auto instant = std::clamp(floor<milliseconds>(time), first, last);
    const auto day = floor<days>(instant);
    const year_month_day date{day};
    const auto in_day = static_cast<unsigned>((instant - day).count());
    TimestampText text{'0', '0', '0', '0', '-', '0', '0', '-', '0', '0', 'T', '0',
                       '0', ':', '0', '0', ':', '0', '0', '.', '0', '0', '0', 'Z'};
    put(&text[0], 4, static_cast<unsigned>(static_cast<int>(date.year())));
    put(&text[5], 2, static_cast<unsigned>(date.month()));
    put(&text[8], 2, static_cast<unsigned>(date.day()));
    put(&text[11], 2, in_day / 3'600'000);
    put(&text[14], 2, in_day / 60'000 % 60);
    put(&text[17], 2, in_day / 1'000 % 60);
    put(&text[20], 3, in_day % 1'000);
    return text;
}

std::string format_timestamp(SystemTime time)
{
    const auto text = timestamp_text(time);
    return {text.begin(), text.end()};
}

std::optional<SystemTime> parse_timestamp(std::string_view text)
{
    Reader reader{text};
    const auto y = reader.digits(4);
    if (!y || !reader.one_of("-"))
        return {};
    const auto m = reader.digits(2);
    if (!m || !reader.one_of("-"))
        return {};
    const auto d = reader.digits(2);
    if (!d)
        return {};
    const year_month_day date{year{*y}, month{static_cast<unsigned>(*m)}, day{static_cast<unsigned>(*d)}};
    // system_clock counts nanoseconds in 64 bits: about the years 1678 to 2261.
    if (!date.ok() || *y < 1678 || *y > 2261)
        return {};
    SystemTime time = sys_days{date};
    if (!reader.one_of("T "))
        return time;
    const auto hour = reader.digits(2);
    if (!hour || !reader.one_of(":"))
        return {};
    const auto minute = reader.digits(2);
    if (!minute)
        return {};
    int second = 0;
    if (reader.one_of(":")) {
        const auto read = reader.digits(2);
        if (!read)
            return {};
        second = *read;
    }
    if (*hour > 23 || *minute > 59 || second > 60)
        return {};
    time += hours{*hour} + minutes{*minute} + seconds{second} + reader.fraction();
    return time - reader.offset();
}

}  // namespace route
