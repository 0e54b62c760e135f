#include "app/log/log_fields.hpp"

#include <fmt/compile.h>

#include <iterator>

#include "app/json_text.hpp"
#include "core/text.hpp"
#include "core/timestamps.hpp"

namespace route {

namespace {

void append_quoted(fmt::memory_buffer& out, std::string_view text)
{
    out.push_back('"');
    for (const char c : text) {
        if (c == '"')
            out.push_back('\\');
        out.push_back(c);
    }
    out.push_back('"');
}

void json_name(fmt::memory_buffer& out, std::string_view name)
{
    append(out, ",\"");
    append(out, name);
    append(out, "\":");
}

}  // namespace

void append(fmt::memory_buffer& out, std::string_view text)
{
    out.append(text.data(), text.data() + text.size());
}

// Without floating point.
void append_ms(fmt::memory_buffer& out, Nanoseconds time)
{
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}.{:03}"), us / 1000, us % 1000);
}

void text_field(fmt::memory_buffer& out, std::string_view name, std::string_view value)
{
    if (value.empty())
        return;
    append(out, name);
    const auto escaped = escape_for_log(value);
    if (escaped.find_first_of(" \"=") == std::string::npos)
        append(out, escaped);
    else
        append_quoted(out, escaped);
}

void begin_json(fmt::memory_buffer& out, SystemTime time, std::string_view level, std::string_view msg)
{
    fmt::format_to(std::back_inserter(out), FMT_COMPILE(R"({{"time":"{}","level":"{}","msg":"{}")"),
                   format_timestamp(time), level, msg);
}

void json_text(fmt::memory_buffer& out, std::string_view name, std::string_view value)
{
    json_name(out, name);
    if (value.empty())
        append(out, "null");
    else
        append_json_string(out, escape_for_log(value));
}

void json_number(fmt::memory_buffer& out, std::string_view name, std::optional<std::int64_t> value)
{
    json_name(out, name);
    if (value)
        fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}"), *value);
    else
        append(out, "null");
}

void json_ms(fmt::memory_buffer& out, std::string_view name, std::optional<Nanoseconds> value)
{
    json_name(out, name);
    if (value)
        append_ms(out, *value);
    else
        append(out, "null");
}

}  // namespace route
