#include "app/log/access_log.hpp"

#include <fmt/compile.h>

#include <iterator>

#include "app/log/log_fields.hpp"
#include "core/http/client_head.hpp"
#include "core/text.hpp"

namespace route {
namespace {

/// One of the words without a name: `-` where there is none.
std::string word(std::string_view text)
{
    return text.empty() ? "-" : escape_for_log(text);
}

std::string text_line(const Record& record)
{
    fmt::memory_buffer out;
    fmt::format_to(std::back_inserter(out), FMT_COMPILE("{} {} {} {} status={} outcome={}"),
                   record.request_id, word(record.ip), word(record.method), word(record.path), record.status,
                   to_string(record.outcome));
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
    text_field(out, " trace=", record.trace_id);
    text_field(out, " error=", record.error);
    return fmt::to_string(out);
}

std::string json_line(const Record& record)
{
    fmt::memory_buffer out;
    begin_json(out, record.created_at, "info", "request");
    json_text(out, "request_id", record.request_id);
    json_text(out, "trace_id", record.trace_id);
    json_text(out, "ip", record.ip);
    json_text(out, "method", record.method);
    json_text(out, "path", record.path);
    json_text(out, "model", record.model.value_or(""));
    json_text(out, "upstream", record.upstream_name);
    json_number(out, "attempts", static_cast<std::int64_t>(record.attempts.size()));
    json_number(out, "status", record.status);
    json_text(out, "outcome", to_string(record.outcome));
    json_ms(out, "elapsed_ms", record.elapsed_time);
    json_ms(out, "first_byte_ms", record.response_time);
    json_number(out, "prompt_tokens", record.prompt_tokens);
    json_number(out, "completion_tokens", record.completion_tokens);
    json_number(out, "total_tokens", record.total_tokens);
    json_text(out, "key_name", record.key_name);
    json_text(out, "error", record.error);
    out.push_back('}');
    return fmt::to_string(out);
}

/// Why an attempt failed, in words.
std::string reason_of(AttemptOutcome outcome, std::optional<unsigned> status, const std::string& error)
{
    if (outcome != AttemptOutcome::status || !status)
        return error;
    const auto phrase = reason_phrase(*status);
    const auto words = error.find(": ");  // the upstream's own
    return fmt::format("HTTP {}{}{}{}", *status, phrase.empty() ? "" : " ", phrase,
                       words == error.npos ? "" : std::string_view{error}.substr(words));
}

/// A further try of the same upstream.
bool is_retry(const AttemptRecord& failed, const AttemptRecord& next)
{
    return failed.upstream_name == next.upstream_name;
}

std::string text_failover(const Record& record, const AttemptRecord& failed, const AttemptRecord& next)
{
    fmt::memory_buffer out;
    append(out, record.request_id);
    if (is_retry(failed, next)) {
        append(out, " retry");
        text_field(out, " upstream=", failed.upstream_name);
    } else {
        append(out, " failover");
        text_field(out, " from=", failed.upstream_name);
        text_field(out, " to=", next.upstream_name);
    }
    text_field(out, " model=", record.model.value_or(""));
    text_field(out, " reason=", reason_of(failed.outcome, failed.status, failed.error));
    fmt::format_to(std::back_inserter(out), FMT_COMPILE(" attempt={} ms="), failed.number);
    append_ms(out, failed.elapsed_time);
    text_field(out, " trace=", record.trace_id);
    return fmt::to_string(out);
}

std::string json_failover(const Record& record, const AttemptRecord& failed, const AttemptRecord& next)
{
    fmt::memory_buffer out;
    const auto lasted = std::chrono::duration_cast<SystemTime::duration>(failed.elapsed_time);
    begin_json(out, failed.started_at + lasted, "warning", is_retry(failed, next) ? "retry" : "failover");
    json_text(out, "request_id", record.request_id);
    json_text(out, "trace_id", record.trace_id);
    json_text(out, "model", record.model.value_or(""));
    json_text(out, "upstream", failed.upstream_name);
    json_text(out, "next", next.upstream_name);
    json_number(out, "attempt", failed.number);
    json_text(out, "outcome", to_string(failed.outcome));
    json_number(out, "status", failed.status);
    json_text(out, "reason", reason_of(failed.outcome, failed.status, failed.error));
    json_ms(out, "elapsed_ms", failed.elapsed_time);
    out.push_back('}');
    return fmt::to_string(out);
}

}  // namespace

std::string access_line(const Record& record, LogFormat format)
{
    return format == LogFormat::json ? json_line(record) : text_line(record);
}

std::vector<std::string> failover_lines(const Record& record, LogFormat format)
{
    std::vector<std::string> lines;
    if (record.asked_together)
        return lines;
    for (std::size_t i = 1; i < record.attempts.size(); ++i) {
        const auto& failed = record.attempts[i - 1];
        if (failed.outcome == AttemptOutcome::superseded || failed.outcome == AttemptOutcome::client_closed)
            continue;  // it did not fail
        const auto& next = record.attempts[i];
        lines.push_back(format == LogFormat::json ? json_failover(record, failed, next)
                                                  : text_failover(record, failed, next));
    }
    return lines;
}

namespace {

/// The upstream, and of which model it is said.
std::string who(const std::string& upstream, const std::string& model)
{
    if (model.empty())
        return escape_for_log(upstream);
    return fmt::format("{} (model {})", escape_for_log(upstream), escape_for_log(model));
}

}  // namespace

std::string cooldown_line(const CooldownStart& start, SystemTime now, LogFormat format)
{
    const auto reason = reason_of(start.outcome, start.status, start.error);
    const bool by_request = start.failures == 0;
    if (format == LogFormat::text) {
        const auto why = by_request
                             ? fmt::format("answered {} with a Retry-After",
                                           escape_for_log(reason_of(start.outcome, start.status, "")))
                             : fmt::format("failed {} {} in a row, last: {}", start.failures,
                                           start.failures == 1 ? "time" : "times", escape_for_log(reason));
        return fmt::format("upstream {} {}; it is tried last for {} s", who(start.upstream, start.model), why,
                           start.length.count());
    }
    fmt::memory_buffer out;
    begin_json(out, now, "warning", "cooldown");
    json_text(out, "upstream", start.upstream);
    json_text(out, "model", start.model);
    json_text(out, "cause", by_request ? "retry_after" : "failures");
    json_number(out, "failures", by_request ? std::nullopt : std::optional{start.failures});
    json_text(out, "outcome", to_string(start.outcome));
    json_number(out, "status", start.status);
    json_text(out, "reason", reason);
    fmt::format_to(std::back_inserter(out), FMT_COMPILE(R"(,"seconds":{}}})"), start.length.count());
    return fmt::to_string(out);
}

std::string recovery_line(const CooldownEnd& end, SystemTime now, LogFormat format)
{
    if (format == LogFormat::text)
        return fmt::format("upstream {} answers again after {} s in cooldown", who(end.upstream, end.model),
                           end.length.count());
    fmt::memory_buffer out;
    begin_json(out, now, "info", "recovered");
    json_text(out, "upstream", end.upstream);
    json_text(out, "model", end.model);
    json_number(out, "away_seconds", end.length.count());
    out.push_back('}');
    return fmt::to_string(out);
}

}  // namespace route
