#include "storage/sqlite/record_rows.hpp"

#include <fmt/format.h>

#include <cstring>

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

IdHashes read_made_ids(SQLite::Database& database, const Record& record)
{
    SQLite::Statement row{database, "SELECT id_hash FROM made_by WHERE created_at = ? AND upstream_name = ?"};
    row.bind(1, format_timestamp(record.created_at));
    row.bind(2, record.upstream_name);
    IdHashes ids;
    while (row.executeStep()) {
        const auto column = row.getColumn(0);
        IdHash id;
        if (static_cast<std::size_t>(column.getBytes()) != id.size())
            continue;
        std::memcpy(id.data(), column.getBlob(), id.size());
        ids.push_back(id);
    }
    return ids;
}

FilterSql FilterSql::times_of(const RecordFilter& filter)
{
    FilterSql times;
    if (filter.since)
        times.add("request_id >= ?", request_id_prefix(*filter.since - request_id_slack));
    if (filter.until)
        times.add("request_id < ?", request_id_prefix(*filter.until + request_id_slack));
    return times;
}

FilterSql::FilterSql(const RecordFilter& filter) : FilterSql{times_of(filter)}
{
    // The index is that of request_id; created_at decides.
    if (filter.since)
        add("created_at >= ?", format_timestamp(*filter.since));
    if (filter.until)
        add("created_at < ?", format_timestamp(*filter.until));
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

namespace {

FilterSql stored_after(std::int64_t id)
{
    RecordFilter filter;
    filter.after_id = id;
    return FilterSql{filter};
}

}  // namespace

RecordPages::RecordPages(SQLite::Database& database, const RecordFilter& filter, std::string columns,
                         std::size_t rows)
    : database_{database},
      filter_{filter},
      columns_{std::move(columns)},
      rows_{rows},
      by_id_{filter.after_id > 0},
      descending_{filter.newest_first && !by_id_}
{
}

void RecordPages::begin_behind_last(FilterSql& conditions) const
{
    if (last_.empty())
        return;
    if (by_id_)
        conditions.add("id > " + last_);
    else
        conditions.add(descending_ ? "request_id < ?" : "request_id > ?", last_);
}

/// Looks at an index alone. Nothing when there are fewer rows than make a page.
std::optional<std::string> RecordPages::last_of_page() const
{
    auto conditions = by_id_ ? stored_after(filter_.after_id) : FilterSql::times_of(filter_);
    begin_behind_last(conditions);
    const auto* order = by_id_ ? "id" : "request_id";
    SQLite::Statement row{database_,
                          fmt::format("SELECT {0} FROM records{1} ORDER BY {0}{2} LIMIT 1 OFFSET {3}", order,
                                      conditions.where(), descending_ ? " DESC" : "", rows_ - 1)};
    conditions.bind(row);
    return row.executeStep() ? std::optional{row.getColumn(0).getString()} : std::nullopt;
}

bool RecordPages::next(std::size_t limit, const std::function<bool(SQLite::Statement& row)>& visit)
{
    if (done_)
        return false;
    const auto end = last_of_page();
    FilterSql conditions{filter_};
    begin_behind_last(conditions);
    if (end && by_id_)
        conditions.add("id <= " + *end);
    else if (end)
        conditions.add(descending_ ? "request_id >= ?" : "request_id <= ?", *end);
    SQLite::Statement row{
        database_, fmt::format("SELECT {} FROM records{} ORDER BY {}{}{}", columns_, conditions.where(),
                               by_id_ ? "id" : "request_id", descending_ ? " DESC" : "",
                               limit == 0 ? std::string{} : fmt::format(" LIMIT {}", limit))};
    conditions.bind(row);
    while (row.executeStep()) {
        if (visit(row))
            continue;
        last_ = row.getColumn(by_id_ ? 0 : 1).getString();
        return true;
    }
    done_ = !end;
    last_ = end.value_or("");
    return true;
}

}  // namespace route::storage
