#pragma once

#include "storage/outcomes.hpp"
#include "storage/repository.hpp"

namespace route::storage {

// Rows as both databases give them. `Columns` reads the columns of one from left to right, in the order of
// record_columns() and of the attempts' query: text(), number(), boolean(), time(), optional<T>(),
// optional_text(); NULL is "", 0, false.

template <class Columns>
StoredRecord read_record_from(Columns columns)
{
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
    record.status = static_cast<unsigned>(columns.number());
    record.outcome = request_outcome(columns.text());
    record.error = columns.text();
    record.upstream_id = columns.number();
    record.upstream_name = columns.text();
    record.upstream_endpoint = columns.text();
    stored.attempts = static_cast<std::uint64_t>(columns.number());
    record.response = columns.text();
    record.response_bytes = static_cast<std::uint64_t>(columns.number());
    record.response_time = columns.template optional<Nanoseconds>();
    record.elapsed_time = Nanoseconds{columns.number()};
    record.prompt_tokens = columns.template optional<std::int64_t>();
    record.completion_tokens = columns.template optional<std::int64_t>();
    record.total_tokens = columns.template optional<std::int64_t>();
    record.finish_reason = columns.text();
    record.trace_id = columns.text();
    record.authenticated = true;
    return stored;
}

template <class Columns>
AttemptRecord read_attempt_from(Columns& columns)
{
    AttemptRecord attempt;
    attempt.number = static_cast<int>(columns.number());
    attempt.upstream_id = columns.number();
    attempt.upstream_name = columns.text();
    attempt.started_at = columns.time();
    attempt.status = columns.template optional<unsigned>();
    attempt.outcome = attempt_outcome(columns.text());
    attempt.error = columns.text();
    attempt.first_byte_time = columns.template optional<Nanoseconds>();
    attempt.elapsed_time = Nanoseconds{columns.number()};
    return attempt;
}

}  // namespace route::storage
