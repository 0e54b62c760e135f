#include "storage/rejected_file.hpp"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cerrno>
#include <cstring>

#include "core/text.hpp"
#include "core/timestamps.hpp"

namespace route::storage {

namespace {

namespace json = boost::json;

json::string text(std::string_view value)
{
    // What the database refused may well be text that is none.
    return json::string{clean_utf8(std::string{value})};
}

template <class T>
json::value number(const std::optional<T>& value)
{
    return value ? json::value(static_cast<std::int64_t>(*value)) : json::value(nullptr);
}

json::value to_json(const std::optional<Nanoseconds>& value)
{
    return value ? json::value(static_cast<std::int64_t>(value->count())) : json::value(nullptr);
}

json::value id(std::int64_t value)
{
    return value == 0 ? json::value(nullptr) : json::value(value);
}

json::object to_json(const AttemptRecord& attempt)
{
    return {{"number", attempt.number},
            {"upstream_id", id(attempt.upstream_id)},
            {"upstream_name", text(attempt.upstream_name)},
            {"started_at", format_timestamp(attempt.started_at)},
            {"status", number(attempt.status)},
            {"outcome", to_string(attempt.outcome)},
            {"error", text(attempt.error)},
            {"first_byte_time", to_json(attempt.first_byte_time)},
            {"elapsed_time", attempt.elapsed_time.count()}};
}

json::object to_json(const Record& record)
{
    json::array attempts;
    for (const auto& attempt : record.attempts)
        attempts.push_back(to_json(attempt));
    return {{"request_id", text(record.request_id)},
            {"client_request_id", text(record.client_request_id)},
            {"created_at", format_timestamp(record.created_at)},
            {"node", text(record.node)},
            {"ip", text(record.ip)},
            {"key_name", text(record.key_name)},
            {"user_agent", text(record.user_agent)},
            {"method", text(record.method)},
            {"path", text(record.path)},
            {"model", record.model ? json::value(text(*record.model)) : json::value(nullptr)},
            {"stream", record.stream},
            {"body", text(record.body)},
            {"body_bytes", record.body_bytes},
            {"status", record.status},
            {"outcome", to_string(record.outcome)},
            {"error", text(record.error)},
            {"upstream_id", id(record.upstream_id)},
            {"upstream_name", text(record.upstream_name)},
            {"upstream_endpoint", text(record.upstream_endpoint)},
            {"attempts", std::move(attempts)},
            {"response", text(record.response)},
            {"response_bytes", record.response_bytes},
            {"response_time", to_json(record.response_time)},
            {"elapsed_time", record.elapsed_time.count()},
            {"prompt_tokens", number(record.prompt_tokens)},
            {"completion_tokens", number(record.completion_tokens)},
            {"total_tokens", number(record.total_tokens)},
            {"finish_reason", text(record.finish_reason)},
            {"trace_id", text(record.trace_id)}};
}

bool write_all(int file, std::string_view bytes)
{
    while (!bytes.empty()) {
        const auto written = ::write(file, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR)
            return false;
        if (written > 0)
            bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

}  // namespace

bool RejectedFile::add(const Record& record, std::string_view reason)
{
    auto object = to_json(record);
    object["reason"] = text(reason);
    const auto line = json::serialize(object) + "\n";
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const bool written = file >= 0 && write_all(file, line);
    if (!written)
        spdlog::error("{} can not be written: {}", path_, std::strerror(errno));
    if (file >= 0)
        ::close(file);
    return written;
}

}  // namespace route::storage
