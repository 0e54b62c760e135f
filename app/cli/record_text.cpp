#include "app/cli/record_text.hpp"

#include <fmt/format.h>

#include "app/cli/json.hpp"
#include "core/failover/endpoint.hpp"
#include "core/timestamps.hpp"

namespace route::cli {
namespace {

boost::json::value json_id(std::int64_t id)
{
    if (id == 0)
        return nullptr;
    return boost::json::value(id);
}

boost::json::value json_time(const std::optional<Nanoseconds>& time)
{
    if (!time)
        return nullptr;
    return boost::json::value(static_cast<std::int64_t>(time->count()));
}

boost::json::value json_optional_text(const std::optional<std::string>& text)
{
    if (!text)
        return nullptr;
    return json_text(*text);
}

}  // namespace

std::string ms_text(Nanoseconds time)
{
    return fmt::format("{:.1f}", std::chrono::duration<double, std::milli>{time}.count());
}

std::vector<std::string> record_titles()
{
    return {">ID",   "=TIME",    ">~STATUS", "?~OUTCOME", "?KEY",      "?IP",
            "MODEL", "UPSTREAM", ">MS",      "?>TOKENS",  "?>ATTEMPTS"};
}

std::vector<std::string> record_cells(const storage::StoredRecord& stored)
{
    const auto& record = stored.record;
    return {std::to_string(stored.id),
            format_timestamp(record.created_at),
            std::to_string(record.status),
            std::string{to_string(record.outcome)},
            record.key_name,
            record.ip,
            record.model.value_or(""),
            record.upstream_name,
            ms_text(record.elapsed_time),
            text_or_empty(record.total_tokens),
            std::to_string(stored.attempts)};
}

Tone tone_of(const Record& record)
{
    return record.outcome == RequestOutcome::ok ? Tone::good : Tone::bad;
}

boost::json::object record_json(const storage::StoredRecord& stored, bool bodies)
{
    const auto& record = stored.record;
    boost::json::object json;
    json["id"] = stored.id;
    json["request_id"] = json_text(record.request_id);
    json["client_request_id"] = json_text(record.client_request_id);
    json["created_at"] = format_timestamp(record.created_at);
    json["node"] = json_text(record.node);
    json["ip"] = json_text(record.ip);
    json["key_name"] = json_text(record.key_name);
    json["user_agent"] = json_text(record.user_agent);
    json["method"] = json_text(record.method);
    json["path"] = json_text(record.path);
    json["model"] = json_optional_text(record.model);
    json["stream"] = record.stream;
    if (bodies)
        json["body"] = json_text(record.body);
    json["body_bytes"] = record.body_bytes;
    json["status"] = record.status;
    json["outcome"] = to_string(record.outcome);
    json["error"] = json_text(record.error);
    json["upstream_id"] = json_id(record.upstream_id);
    json["upstream_name"] = json_text(record.upstream_name);
    json["upstream_endpoint"] = json_text(mask_endpoint(record.upstream_endpoint));
    json["attempts"] = stored.attempts;
    if (bodies)
        json["response"] = json_text(record.response);
    json["response_bytes"] = record.response_bytes;
    json["response_time"] = json_time(record.response_time);
    json["elapsed_time"] = json_time(record.elapsed_time);
    json["prompt_tokens"] = json_or_null(record.prompt_tokens);
    json["completion_tokens"] = json_or_null(record.completion_tokens);
    json["total_tokens"] = json_or_null(record.total_tokens);
    json["finish_reason"] = json_text(record.finish_reason);
    json["trace_id"] = json_text(record.trace_id);
    return json;
}

boost::json::object attempt_json(const AttemptRecord& attempt)
{
    boost::json::object json;
    json["number"] = attempt.number;
    json["upstream_id"] = json_id(attempt.upstream_id);
    json["upstream_name"] = json_text(attempt.upstream_name);
    json["started_at"] = format_timestamp(attempt.started_at);
    json["status"] = json_or_null(attempt.status);
    json["outcome"] = to_string(attempt.outcome);
    json["error"] = json_text(attempt.error);
    json["first_byte_time"] = json_time(attempt.first_byte_time);
    json["elapsed_time"] = json_time(attempt.elapsed_time);
    return json;
}

}  // namespace route::cli
