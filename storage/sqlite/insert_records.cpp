#include "core/timestamps.hpp"
#include "storage/sqlite/row_writer.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

namespace {

constexpr auto insert_record_sql =
    "INSERT INTO records (request_id, client_request_id, created_at, node, ip, key_name, user_agent, method, "
    "path, model,"
    " stream, body, body_bytes, status, outcome, error, upstream_id, upstream_name, upstream_endpoint, "
    "attempts, response,"
    " response_bytes, response_time, elapsed_time, prompt_tokens, completion_tokens, total_tokens, "
    "finish_reason, trace_id)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (request_id) DO NOTHING";

constexpr auto insert_attempt_sql =
    "INSERT INTO attempts (request_id, number, upstream_id, upstream_name, started_at, status, outcome, "
    "error,"
    " first_byte_time, elapsed_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (request_id, number) DO NOTHING";

/// What a later record says of it counts. Saying the same again within a day changes nothing: only what is
/// named for long must outlast the records of its beginning. The last is that time before the record's.
constexpr auto insert_made_sql =
    "INSERT INTO made_by (id_hash, upstream_name, created_at) VALUES (?, ?, ?)"
    " ON CONFLICT (id_hash) DO UPDATE SET upstream_name = excluded.upstream_name, created_at = "
    "excluded.created_at"
    " WHERE upstream_name <> excluded.upstream_name AND created_at <= excluded.created_at OR created_at < ?";

std::string_view view(const TimestampText& text)
{
    return {text.data(), text.size()};
}

/// The upstream of a row: 0 is one of the configuration file, or none.
std::optional<std::int64_t> id_or_null(std::int64_t id)
{
    return id == 0 ? std::nullopt : std::optional{id};
}

std::optional<std::int64_t> count_of(const std::optional<Nanoseconds>& duration)
{
    return duration ? std::optional<std::int64_t>{duration->count()} : std::nullopt;
}

bool write_record(RowWriter& row, const Record& record)
{
    const auto created_at = timestamp_text(record.created_at);
    row.text(record.request_id)
        .text(record.client_request_id)
        .text(view(created_at))
        .text(record.node)
        .text(record.ip);
    row.text(record.key_name).text(record.user_agent).text(record.method).text(record.path);
    record.model ? row.text(*record.model) : row.null();
    row.number(record.stream ? 1 : 0).text(record.body).number(static_cast<std::int64_t>(record.body_bytes));
    row.number(record.status).text(to_string(record.outcome)).text(record.error);
    row.number(id_or_null(record.upstream_id)).text(record.upstream_name).text(record.upstream_endpoint);
    row.number(static_cast<std::int64_t>(record.attempts.size())).text(record.response);
    row.number(static_cast<std::int64_t>(record.response_bytes)).number(count_of(record.response_time));
    row.number(record.elapsed_time.count()).number(record.prompt_tokens).number(record.completion_tokens);
    row.number(record.total_tokens).text(record.finish_reason).text(record.trace_id);
    return row.write();
}

void write_attempt(RowWriter& row, const std::string& request_id, const AttemptRecord& attempt)
{
    const auto started_at = timestamp_text(attempt.started_at);
    row.text(request_id)
        .number(attempt.number)
        .number(id_or_null(attempt.upstream_id))
        .text(attempt.upstream_name);
    row.text(view(started_at)).number(attempt.status).text(to_string(attempt.outcome)).text(attempt.error);
    row.number(count_of(attempt.first_byte_time)).number(attempt.elapsed_time.count());
    row.write();
}

void write_made(RowWriter& row, const Record& record)
{
    const auto created_at = timestamp_text(record.created_at);
    const auto day_before = timestamp_text(record.created_at - std::chrono::days{1});
    for (const auto& id : record.made_ids)
        row.blob(id).text(record.upstream_name).text(view(created_at)).text(view(day_before)).write();
}

}  // namespace

void SqliteRepository::insert(std::span<const Record> records, std::chrono::milliseconds bound)
{
    check_file();
    guarded([&] {
        wait_for_locks(bound);
        WriteTransaction transaction{*database_};
        require_identity(*database_, options_);
        if (!insert_record_)
            insert_record_ = std::make_unique<RowWriter>(*database_, insert_record_sql);
        if (!insert_attempt_)
            insert_attempt_ = std::make_unique<RowWriter>(*database_, insert_attempt_sql);
        if (!insert_made_)
            insert_made_ = std::make_unique<RowWriter>(*database_, insert_made_sql);
        for (const auto& record : records) {
            if (!write_record(*insert_record_, record))
                continue;
            for (const auto& attempt : record.attempts)
                write_attempt(*insert_attempt_, record.request_id, attempt);
            if (!record.upstream_name.empty())
                write_made(*insert_made_, record);
        }
        transaction.commit();
    });
}

}  // namespace route::storage
