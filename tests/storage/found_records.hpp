#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/repository.hpp"
#include "tests/storage/samples.hpp"
#include "tests/support/catch.hpp"

namespace route::test {

/// Names the records a filter finds, in order: the numbers sample_record() was given, as client_request_id
/// tells.
template <class R>
std::string found(R& repository, const storage::RecordFilter& filter)
{
    std::string numbers;
    repository.for_each_record(filter, [&](const storage::StoredRecord& stored) {
        numbers += stored.record.client_request_id.substr(sizeof("client-") - 1) + " ";
        return true;
    });
    return numbers;
}

inline void check_same(const Record& read, const Record& written)
{
    CHECK(read.request_id == written.request_id);
    CHECK(read.client_request_id == written.client_request_id);
    CHECK(read.created_at == written.created_at);
    CHECK(read.node == written.node);
    CHECK(read.ip == written.ip);
    CHECK(read.key_name == written.key_name);
    CHECK(read.user_agent == written.user_agent);
    CHECK(read.method == written.method);
    CHECK(read.path == written.path);
    CHECK(read.model == written.model);
    CHECK(read.stream == written.stream);
    CHECK(read.body == written.body);
    CHECK(read.body_bytes == written.body_bytes);
    CHECK(read.status == written.status);
    CHECK(read.outcome == written.outcome);
    CHECK(read.error == written.error);
    CHECK(read.upstream_id == written.upstream_id);
    CHECK(read.upstream_name == written.upstream_name);
    CHECK(read.upstream_endpoint == written.upstream_endpoint);
    CHECK(read.attempts == written.attempts);
    CHECK(read.response == written.response);
    CHECK(read.response_bytes == written.response_bytes);
    CHECK(read.response_time == written.response_time);
    CHECK(read.elapsed_time == written.elapsed_time);
    CHECK(read.prompt_tokens == written.prompt_tokens);
    CHECK(read.completion_tokens == written.completion_tokens);
    CHECK(read.total_tokens == written.total_tokens);
    CHECK(read.finish_reason == written.finish_reason);
    CHECK(read.trace_id == written.trace_id);
}

/// Ten records a day apart, the newest the first minute of `sample_time`.
inline std::vector<Record> ten_days()
{
    std::vector<Record> records;
    for (int day = 0; day < 10; ++day)
        records.push_back(
            sample_record(static_cast<std::uint64_t>(day), sample_time - std::chrono::days{9 - day}));
    return records;
}

}  // namespace route::test
