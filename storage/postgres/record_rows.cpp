#include "storage/postgres/record_rows.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "storage/outcomes.hpp"
#include "storage/request_ids.hpp"
#include "storage/timestamps.hpp"

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
    unsigned status() { return static_cast<unsigned>(number()); }
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

AttemptRecord read_attempt(Columns& columns)
{
    AttemptRecord attempt;
    attempt.number = static_cast<int>(columns.number());
    attempt.upstream_id = columns.number();
    attempt.upstream_name = columns.text();
    attempt.started_at = columns.time();
    attempt.status = columns.optional<unsigned>();
    attempt.outcome = attempt_outcome(columns.text());
    attempt.error = columns.text();
    attempt.first_byte_time = columns.optional<Nanoseconds>();
    attempt.elapsed_time = Nanoseconds{columns.number()};
    return attempt;
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
        "finish_reason",
        microseconds_text("created_at"), bodies ? "body" : "''", bodies ? "response" : "''");
}

StoredRecord read_record(const pqxx::row& row)
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
    record.stream = columns.boolean();
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
            record->attempts.push_back(read_attempt(columns));
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
