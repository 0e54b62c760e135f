#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "storage/postgres/binary_array.hpp"
#include "storage/postgres/postgres_repository.hpp"
#include "storage/request_ids.hpp"

namespace route::storage {

namespace {

using Element = BinaryArray::Element;

/// The upstream of a row: 0 is one of the configuration file, or none.
std::optional<std::int64_t> id_or_null(std::int64_t id)
{
    return id == 0 ? std::nullopt : std::optional{id};
}

/// Columns of a table to be, one array each.
class ColumnArrays
{
  public:
    /// A row is written from left to right; what its column is not of the type of is a mistake of this
    /// program.
    explicit ColumnArrays(std::initializer_list<Element> elements)
    {
        for (const auto element : elements)
            arrays_.emplace_back(element);
    }

    ColumnArrays& text(std::string_view value)
    {
        next().text(value);
        return *this;
    }
    ColumnArrays& text_or_null(const std::optional<std::string>& value)
    {
        value ? next().text(*value) : next().null();
        return *this;
    }
    ColumnArrays& bytes(std::span<const unsigned char> value)
    {
        next().text({reinterpret_cast<const char*>(value.data()), value.size()});
        return *this;
    }
    ColumnArrays& number(std::int64_t value)
    {
        next().number(value);
        return *this;
    }
    template <class T>
    ColumnArrays& number(const std::optional<T>& value)
    {
        value ? next().number(count_of(*value)) : next().null();
        return *this;
    }
    ColumnArrays& boolean(bool value)
    {
        next().boolean(value);
        return *this;
    }
    ColumnArrays& time(SystemTime value)
    {
        next().time(value);
        return *this;
    }
    ColumnArrays& uuid(const std::string& value)
    {
        if (!next().uuid(value))
            throw StorageError{StorageError::Kind::rejected, fmt::format("\"{}\" is no UUID", value)};
        return *this;
    }

    void add_to(Parameters& parameters)
    {
        for (auto& array : arrays_)
            parameters.binary(array.bytes());
    }

  private:
    static std::int64_t count_of(Nanoseconds duration) { return duration.count(); }
    static std::int64_t count_of(std::int64_t value) { return value; }
    static std::int64_t count_of(unsigned value) { return value; }

    BinaryArray& next()
    {
        auto& array = arrays_[index_];
        index_ = (index_ + 1) % arrays_.size();
        return array;
    }

    std::vector<BinaryArray> arrays_;
    std::size_t index_ = 0;
};

ColumnArrays of_records()
{
    constexpr auto uuid = Element::uuid, text = Element::text, number = Element::bigint;
    return ColumnArrays{uuid,
                        text,
                        Element::timestamptz,
                        text,
                        text,
                        text,
                        text,
                        text,
                        text,
                        text,
                        Element::boolean,
                        text,
                        number,
                        number,
                        text,
                        text,
                        number,
                        text,
                        text,
                        number,
                        text,
                        number,
                        number,
                        number,
                        number,
                        number,
                        number,
                        text,
                        text};
}

ColumnArrays of_attempts()
{
    constexpr auto text = Element::text, number = Element::bigint;
    return ColumnArrays{Element::uuid, number, number, text,   Element::timestamptz,
                        number,        text,   text,   number, number};
}

void write_record(ColumnArrays& row, const Record& record)
{
    row.uuid(record.request_id).text(record.client_request_id).time(record.created_at).text(record.node);
    row.text(record.ip).text(record.key_name).text(record.user_agent).text(record.method).text(record.path);
    row.text_or_null(record.model).boolean(record.stream).text(record.body);
    row.number(static_cast<std::int64_t>(record.body_bytes)).number(record.status);
    row.text(to_string(record.outcome)).text(record.error).number(id_or_null(record.upstream_id));
    row.text(record.upstream_name).text(record.upstream_endpoint);
    row.number(static_cast<std::int64_t>(record.attempts.size())).text(record.response);
    row.number(static_cast<std::int64_t>(record.response_bytes)).number(record.response_time);
    row.number(record.elapsed_time.count()).number(record.prompt_tokens).number(record.completion_tokens);
    row.number(record.total_tokens).text(record.finish_reason).text(record.trace_id);
}

void write_attempt(ColumnArrays& row, const std::string& request_id, const AttemptRecord& attempt)
{
    row.uuid(request_id)
        .number(attempt.number)
        .number(id_or_null(attempt.upstream_id))
        .text(attempt.upstream_name);
    row.time(attempt.started_at).number(attempt.status).text(to_string(attempt.outcome)).text(attempt.error);
    row.number(attempt.first_byte_time).number(attempt.elapsed_time.count());
}

/// One statement for both tables, whatever the number of rows: one answer to wait for. What comes late is
/// behind what was pruned of its bodies, which then begins there again.
constexpr auto insert_sql =
    "WITH late AS (UPDATE openai_api_route_state SET value = $1 WHERE name = 'bodies_pruned_to' AND value > "
    "$1),"
    " inserted AS (INSERT INTO records (request_id, client_request_id, created_at, node, ip, key_name, "
    "user_agent,"
    " method, path, model, stream, body, body_bytes, status, outcome, error, upstream_id, upstream_name,"
    " upstream_endpoint, attempts, response, response_bytes, response_time, elapsed_time, prompt_tokens,"
    " completion_tokens, total_tokens, finish_reason, trace_id)"
    " SELECT * FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], "
    "$8::text[],"
    " $9::text[], $10::text[], $11::text[], $12::boolean[], $13::text[], $14::bigint[], $15::bigint[], "
    "$16::text[],"
    " $17::text[], $18::bigint[], $19::text[], $20::text[], $21::bigint[], $22::text[], $23::bigint[], "
    "$24::bigint[],"
    " $25::bigint[], $26::bigint[], $27::bigint[], $28::bigint[], $29::text[], $30::text[])"
    " ON CONFLICT (request_id) DO NOTHING)"
    " INSERT INTO attempts (request_id, number, upstream_id, upstream_name, started_at, status, outcome, "
    "error,"
    " first_byte_time, elapsed_time)"
    " SELECT * FROM unnest($31::uuid[], $32::bigint[], $33::bigint[], $34::text[], $35::timestamptz[], "
    "$36::bigint[],"
    " $37::text[], $38::text[], $39::bigint[], $40::bigint[])"
    " ON CONFLICT (request_id, number) DO NOTHING";

/// What a later record says of it counts. Saying the same again within a day changes nothing, and locks
/// nothing: only what is named for long must outlast the records of its beginning. In the order of the
/// hashes, so that routers that say the same at once wait for one another in that order.
constexpr auto insert_made_in_order_sql =
    "INSERT INTO made_by (id_hash, upstream_name, created_at)"
    " SELECT id_hash, upstream_name, created_at FROM (SELECT DISTINCT ON (id_hash) id_hash, upstream_name,"
    " created_at FROM unnest($1::bytea[], $2::text[], $3::timestamptz[])"
    " AS made (id_hash, upstream_name, created_at) ORDER BY id_hash, created_at DESC) latest"
    " WHERE NOT EXISTS (SELECT FROM made_by known WHERE known.id_hash = latest.id_hash"
    " AND (known.created_at > latest.created_at OR known.upstream_name = latest.upstream_name"
    " AND known.created_at >= latest.created_at - interval '24 hours')) ORDER BY id_hash"
    " ON CONFLICT (id_hash) DO UPDATE SET upstream_name = excluded.upstream_name, created_at = "
    "excluded.created_at WHERE made_by.upstream_name <> excluded.upstream_name AND made_by.created_at <= "
    "excluded.created_at OR made_by.created_at < excluded.created_at - interval '24 hours'";

/// Whether there was something.
bool write_made(ColumnArrays& rows, const Record& record)
{
    if (record.upstream_name.empty())
        return false;
    for (const auto& id : record.made_ids)
        rows.bytes(id).text(record.upstream_name).time(record.created_at);
    return !record.made_ids.empty();
}

}  // namespace

void PostgresRepository::insert(std::span<const Record> records, std::chrono::milliseconds bound)
{
    if (bound.count() == 0)
        bound = options_.operation_timeout;
    if (records.empty()) {
        // Whether it would take some.
        connection_->transact(bound,
                              [](pqxx::work& work) { work.exec("DELETE FROM records_default WHERE false"); });
        return;
    }
    const auto least = std::min_element(records.begin(), records.end(), [](const auto& a, const auto& b) {
        return a.request_id < b.request_id;
    });
    auto rows = of_records();
    auto attempts = of_attempts();
    ColumnArrays made{Element::bytea, Element::text, Element::timestamptz};
    bool any_made = false;
    for (const auto& record : records) {
        write_record(rows, record);
        any_made = write_made(made, record) || any_made;
        for (const auto& attempt : record.attempts)
            write_attempt(attempts, record.request_id, attempt);
    }
    Parameters parameters;
    parameters.text(least_request_id(time_of_request_id(least->request_id)));
    rows.add_to(parameters);
    attempts.add_to(parameters);
    Parameters made_parameters;
    made.add_to(made_parameters);
    connection_->transact(bound, [&](pqxx::work& work) {
        parameters.execute(work, insert_sql);
        if (any_made)
            made_parameters.execute(work, insert_made_in_order_sql);
    });
}

}  // namespace route::storage
