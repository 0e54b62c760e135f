#include "storage/sqlite/record_rows.hpp"

#include <fmt/format.h>

#include "storage/outcomes.hpp"
#include "storage/request_ids.hpp"
#include "storage/timestamps.hpp"

namespace route::storage {

namespace {

/// Reads the columns of a row from left to right.
class Columns
{
  public:
    explicit Columns(SQLite::Statement& row) : row_{row} {}

    std::string text() { return next().getString(); }
    std::int64_t number() { return next().getInt64(); }
    unsigned status() { return static_cast<unsigned>(number()); }
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
        " response_time, elapsed_time, prompt_tokens, completion_tokens, total_tokens, finish_reason",
        bodies ? "body" : "''", bodies ? "response" : "''");
}

StoredRecord read_record(SQLite::Statement& row)
{
    Columns columns{row};
    StoredRecord stored;
    auto& record = stored.record;
    stored.id = columns.number();
    record.request_id = columns.text();
    record.client_request_id = columns.text();
    record.created_at = columns.time();
    record.node = columns.text();
    record.ip = columns.text();
    record.key_name = columns.text();
    record.user_agent = columns.text();
    record.method = columns.text();
    record.path = columns.text();
    record.model = columns.optional_text();
    record.stream = columns.number() != 0;
    record.body = columns.text();
    record.body_bytes = static_cast<std::uint64_t>(columns.number());
    record.status = columns.status();
    record.outcome = request_outcome(columns.text());
    record.error = columns.text();
    record.upstream_id = columns.number();
    record.upstream_name = columns.text();
    record.upstream_endpoint = columns.text();
    stored.attempts = static_cast<std::uint64_t>(columns.number());
    record.response = columns.text();
    record.response_bytes = static_cast<std::uint64_t>(columns.number());
    record.response_time = columns.optional<Nanoseconds>();
    record.elapsed_time = Nanoseconds{columns.number()};
    record.prompt_tokens = columns.optional<std::int64_t>();
    record.completion_tokens = columns.optional<std::int64_t>();
    record.total_tokens = columns.optional<std::int64_t>();
    record.finish_reason = columns.text();
    record.authenticated = true;
    return stored;
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
        auto& attempt = attempts.emplace_back();
        attempt.number = static_cast<int>(columns.number());
        attempt.upstream_id = columns.number();
        attempt.upstream_name = columns.text();
        attempt.started_at = columns.time();
        attempt.status = columns.optional<unsigned>();
        attempt.outcome = attempt_outcome(columns.text());
        attempt.error = columns.text();
        attempt.first_byte_time = columns.optional<Nanoseconds>();
        attempt.elapsed_time = Nanoseconds{columns.number()};
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
