#include "storage/postgres/record_rows.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/timestamps.hpp"
#include "storage/request_ids.hpp"
#include "storage/stored_rows.hpp"

namespace route::storage::postgres {

namespace {

/// Reads the columns of a row from left to right.
class Columns
{
  public:
    explicit Columns(const pqxx::row& row) : row_{row} {}

    std::string text()
    {
        const auto field = next();
        return field.is_null() ? std::string{} : std::string{field.c_str(), field.size()};
    }
    std::int64_t number()
    {
        const auto field = next();
        return field.is_null() ? 0 : field.as<std::int64_t>();
    }
    bool boolean()
    {
        const auto field = next();
        return !field.is_null() && field.as<bool>();
    }
    SystemTime time() { return parse_timestamp(text()).value_or(SystemTime{}); }

    template <class T>
    std::optional<T> optional()
    {
        const auto field = next();
        return field.is_null() ? std::nullopt : std::optional{T(field.as<std::int64_t>())};
    }

    std::optional<std::string> optional_text()
    {
        const auto field = next();
        return field.is_null() ? std::nullopt : std::optional{std::string{field.c_str(), field.size()}};
    }

  private:
    pqxx::field next() { return row_[index_++]; }

    const pqxx::row& row_;
    pqxx::row::size_type index_ = 0;
};

std::string microseconds_text(std::string_view column)
{
    return fmt::format("to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')", column);
}

}  // namespace

std::string milliseconds_text(std::string_view column)
{
    return fmt::format("to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')", column);
}

std::string record_columns(bool bodies)
{
    return fmt::format(
        "id, request_id, client_request_id, {}, node, ip, key_name, user_agent, method, path, model, stream, "
        "{},"
        " body_bytes, status, outcome, error, upstream_id, upstream_name, upstream_endpoint, attempts, {},"
        " response_bytes, response_time, elapsed_time, prompt_tokens, completion_tokens, total_tokens, "
        "finish_reason, trace_id",
        microseconds_text("created_at"), bodies ? "body" : "''", bodies ? "response" : "''");
}

StoredRecord read_record(const pqxx::row& row)
{
    return read_record_from(Columns{row});
}

void read_attempts(pqxx::transaction_base& transaction, std::vector<Record>& records)
{
    if (records.empty())
        return;
    const auto rows =
        Parameters{}
            .text(records.front().request_id)
            .text(records.back().request_id)
            .execute(transaction,
                     fmt::format("SELECT request_id, number, upstream_id, upstream_name, {}, status,"
                                 " outcome, error, first_byte_time, elapsed_time FROM attempts"
                                 " WHERE request_id BETWEEN $1::uuid AND $2::uuid"
                                 " ORDER BY request_id, number",
                                 microseconds_text("started_at")));
    auto record = records.begin();
    for (const auto& row : rows) {
        Columns columns{row};
        const auto request_id = columns.text();
        while (record != records.end() && record->request_id < request_id)
            ++record;
        if (record != records.end() && record->request_id == request_id)
            record->attempts.push_back(read_attempt_from(columns));
    }
}

void read_made_ids(pqxx::transaction_base& transaction, std::vector<Record>& records)
{
    if (records.empty())
        return;
    const auto rows =
        Parameters{}
            .text(records.front().request_id)
            .text(records.back().request_id)
            .execute(transaction,
                     "SELECT r.request_id, encode(m.id_hash, 'hex') FROM records r JOIN made_by m"
                     " ON m.created_at = r.created_at AND m.upstream_name = r.upstream_name"
                     " WHERE r.request_id BETWEEN $1::uuid AND $2::uuid ORDER BY r.request_id");
    auto record = records.begin();
    for (const auto& row : rows) {
        Columns columns{row};
        const auto request_id = columns.text();
        while (record != records.end() && record->request_id < request_id)
            ++record;
        IdHash id;
        if (record != records.end() && record->request_id == request_id && from_hex(columns.text(), id))
            record->made_ids.push_back(id);
    }
}

FilterSql::FilterSql(const RecordFilter& filter)
{
    // The index, and the partitions, are those of request_id; created_at decides.
    if (filter.since) {
        add("request_id >= " + parameter(least_request_id(*filter.since - request_id_slack)) + "::uuid");
        add("created_at >= " + parameter(format_timestamp(*filter.since)) + "::timestamptz");
    }
    if (filter.until) {
        add("request_id < " + parameter(least_request_id(*filter.until + request_id_slack)) + "::uuid");
        add("created_at < " + parameter(format_timestamp(*filter.until)) + "::timestamptz");
    }
    add_equal("model", filter.model);
    add_equal("upstream_name", filter.upstream);
    add_equal("key_name", filter.key);
    // Written out: the planner sees that the partial indexes serve.
    if (filter.status)
        add(fmt::format("status = {}", *filter.status));
    if (const auto outcome = to_string(request_outcome(filter.outcome)); !filter.outcome.empty())
        add(outcome == filter.outcome ? fmt::format("outcome = '{}'", outcome) : "false");
    if (!filter.grep.empty()) {
        const auto text = parameter(filter.grep);
        add(fmt::format("(strpos(body, {0}) > 0 OR strpos(response, {0}) > 0 OR strpos(error, {0}) > 0)",
                        text));
    }
    if (filter.after_id > 0)
        add(fmt::format("id > {}", filter.after_id));
}

void FilterSql::behind(const RecordFilter& filter, const StoredRecord& position)
{
    if (filter.after_id > 0)
        add(fmt::format("id > {}", position.id));
    else
        add(fmt::format("request_id {} {}::uuid", filter.newest_first ? "<" : ">",
                        parameter(position.record.request_id)));
}

void FilterSql::add(std::string_view condition)
{
    where_ += where_.empty() ? " WHERE " : " AND ";
    where_ += condition;
}

std::string FilterSql::parameter(std::string value)
{
    parameters_.text(std::move(value));
    return parameters_.last();
}

/// The index holds the first 128 characters: a text is of any length, an index entry is not.
void FilterSql::add_equal(std::string_view column, const std::string& value)
{
    if (value.empty())
        return;
    const auto text = parameter(value);
    add(fmt::format("left({0}, 128) = left({1}, 128) AND {0} = {1}", column, text));
}

}  // namespace route::storage::postgres
