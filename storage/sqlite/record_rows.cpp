#include "storage/sqlite/record_rows.hpp"

#include <fmt/format.h>

#include "core/timestamps.hpp"
#include "storage/request_ids.hpp"
#include "storage/stored_rows.hpp"

namespace route::storage {

namespace {

/// Reads the columns of a row from left to right.
class Columns
{
  public:
    explicit Columns(SQLite::Statement& row) : row_{row} {}

    std::string text() { return next().getString(); }
    std::int64_t number() { return next().getInt64(); }
    bool boolean() { return number() != 0; }
    SystemTime time() { return parse_timestamp(text()).value_or(SystemTime{}); }

    template <class T>
    std::optional<T> optional()
    {
        const auto column = next();
        return column.isNull() ? std::nullopt : std::optional{T(column.getInt64())};
    }

    std::optional<std::string> optional_text()
    {
        const auto column = next();
        return column.isNull() ? std::nullopt : std::optional{column.getString()};
    }

  private:
    SQLite::Column next() { return row_.getColumn(index_++); }

    SQLite::Statement& row_;
    int index_ = 0;
};

}  // namespace

std::string record_columns(bool bodies)
{
    return fmt::format(
        "id, request_id, client_request_id, created_at, node, ip, key_name, user_agent, method, path, model, "
        "stream, {},"
        " body_bytes, status, outcome, error, upstream_id, upstream_name, upstream_endpoint, attempts, {}, "
        "response_bytes,"
        " response_time, elapsed_time, prompt_tokens, completion_tokens, total_tokens, finish_reason, "
        "trace_id",
        bodies ? "body" : "''", bodies ? "response" : "''");
}

StoredRecord read_record(SQLite::Statement& row)
{
    return read_record_from(Columns{row});
}

std::vector<AttemptRecord> read_attempts(SQLite::Database& database, const std::string& request_id)
{
    SQLite::Statement row{
        database,
        "SELECT number, upstream_id, upstream_name, started_at, status, outcome, error, first_byte_time,"
        " elapsed_time FROM attempts WHERE request_id = ? ORDER BY number"};
    row.bind(1, request_id);
    std::vector<AttemptRecord> attempts;
    while (row.executeStep()) {
        Columns columns{row};
        attempts.push_back(read_attempt_from(columns));
    }
    return attempts;
}

FilterSql::FilterSql(const RecordFilter& filter)
{
    // The index is that of request_id; created_at decides.
    if (filter.since) {
        add("request_id >= ?", request_id_prefix(*filter.since - request_id_slack));
        add("created_at >= ?", format_timestamp(*filter.since));
    }
    if (filter.until) {
        add("request_id < ?", request_id_prefix(*filter.until + request_id_slack));
        add("created_at < ?", format_timestamp(*filter.until));
    }
    if (!filter.model.empty())
        add("model = ?", filter.model);
    if (!filter.upstream.empty())
        add("upstream_name = ?", filter.upstream);
    if (!filter.key.empty())
        add("key_name = ?", filter.key);
    if (filter.status)
        add(fmt::format("status = {}", *filter.status));
    if (!filter.outcome.empty())
        add("outcome = ?", filter.outcome);
    if (!filter.grep.empty()) {
        add("(instr(body, ?) > 0 OR instr(response, ?) > 0 OR instr(error, ?) > 0)", filter.grep);
        values_.insert(values_.end(), 2, filter.grep);
    }
    if (filter.after_id > 0)
        add(fmt::format("id > {}", filter.after_id));
}

void FilterSql::bind(SQLite::Statement& statement) const
{
    for (std::size_t i = 0; i < values_.size(); ++i)
        statement.bind(static_cast<int>(i) + 1, values_[i]);
}

void FilterSql::add(std::string_view condition)
{
    where_ += where_.empty() ? " WHERE " : " AND ";
    where_ += condition;
}

void FilterSql::add(std::string_view condition, std::string value)
{
    add(condition);
    values_.push_back(std::move(value));
}

}  // namespace route::storage
