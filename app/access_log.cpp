#include "app/access_log.hpp"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "app/json_text.hpp"
#include "core/text.hpp"
#include "core/timestamps.hpp"

namespace route {
namespace {

/// Milliseconds with three decimals, without floating point.
void append_ms(fmt::memory_buffer& out, Nanoseconds time)
{
    const auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}.{:03}"), us / 1000, us % 1000);
}

void append(fmt::memory_buffer& out, std::string_view text)
{
    out.append(text.data(), text.data() + text.size());
}

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

/// ` NAME=VALUE`, nothing for an empty value.
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

std::string text_line(const Record& record)
{
    fmt::memory_buffer out;
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("{} {} {} {} status={} outcome={}"),
                   record.request_id, escape_for_log(record.ip), escape_for_log(record.method),
                   escape_for_log(record.path), record.status, to_string(record.outcome));
    text_field(out, " model=", record.model.value_or(""));
    text_field(out, " upstream=", record.upstream_name);
    fmt::format_to(std::back_inserter(out), FMT_COMPILE(" attempts={} ms="), record.attempts.size());
    append_ms(out, record.elapsed_time);
    if (record.response_time) {
        append(out, " first_byte_ms=");
        append_ms(out, *record.response_time);
    }
    if (record.total_tokens)
        fmt::format_to(std::back_inserter(out), FMT_COMPILE(" tokens={}"), *record.total_tokens);
    text_field(out, " key=", record.key_name);
    text_field(out, " error=", record.error);
    return fmt::to_string(out);
}

void json_text(fmt::memory_buffer& out, std::string_view name, std::string_view value)
{
    append(out, name);
    if (value.empty())
        append(out, "null");
    else
        append_json_string(out, escape_for_log(value));
}

void json_number(fmt::memory_buffer& out, std::string_view name, std::optional<std::int64_t> value)
{
    append(out, name);
    if (value)
        fmt::format_to(std::back_inserter(out), FMT_COMPILE("{}"), *value);
    else
        append(out, "null");
}

void json_ms(fmt::memory_buffer& out, std::string_view name, std::optional<Nanoseconds> value)
{
    append(out, name);
    if (value)
        append_ms(out, *value);
    else
        append(out, "null");
}

std::string json_line(const Record& record)
{
    fmt::memory_buffer out;
    fmt::format_to(std::back_inserter(out), FMT_COMPILE(R"({{"time":"{}","level":"info","msg":"request")"),
                   format_timestamp(record.created_at));
    json_text(out, R"(,"request_id":)", record.request_id);
    json_text(out, R"(,"ip":)", record.ip);
    json_text(out, R"(,"method":)", record.method);
    json_text(out, R"(,"path":)", record.path);
    json_text(out, R"(,"model":)", record.model.value_or(""));
    json_text(out, R"(,"upstream":)", record.upstream_name);
    json_number(out, R"(,"attempts":)", static_cast<std::int64_t>(record.attempts.size()));
    json_number(out, R"(,"status":)", record.status);
    json_text(out, R"(,"outcome":)", to_string(record.outcome));
    json_ms(out, R"(,"elapsed_ms":)", record.elapsed_time);
    json_ms(out, R"(,"first_byte_ms":)", record.response_time);
    json_number(out, R"(,"prompt_tokens":)", record.prompt_tokens);
    json_number(out, R"(,"completion_tokens":)", record.completion_tokens);
    json_number(out, R"(,"total_tokens":)", record.total_tokens);
    json_text(out, R"(,"key_name":)", record.key_name);
    json_text(out, R"(,"error":)", record.error);
    out.push_back('}');
    return fmt::to_string(out);
}

}  // namespace

std::string access_line(const Record& record, LogFormat format)
{
    return format == LogFormat::json ? json_line(record) : text_line(record);
}

}  // namespace route
