#pragma once

#include <string>

#include "core/record_sink.hpp"
#include "core/uuid.hpp"

namespace route::test {

using namespace std::chrono_literals;

/// 2026-01-31T12:00:00.123Z
inline const SystemTime sample_time{std::chrono::milliseconds{1769860800123}};

inline std::string request_id(std::uint64_t number, SystemTime time = sample_time)
{
    return uuid_v7(time, 0, number);
}

inline std::unique_ptr<QueuedRecord> queued(Record record, std::function<void()> stored = {})
{
    auto queued = std::make_unique<QueuedRecord>();
    queued->record = std::move(record);
    queued->stored = std::move(stored);
    return queued;
}

/// Visible characters that do not become fewer by compressing.
inline std::string random_text(std::size_t length, std::uint64_t seed)
{
    std::string text(length, ' ');
    for (auto& c : text) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        c = static_cast<char>('!' + (seed >> 33) % 90);
    }
    return text;
}

/// A record with something in every column.
inline Record sample_record(std::uint64_t number, SystemTime time = sample_time)
{
    Record record;
    record.request_id = request_id(number, time);
    record.client_request_id = "client-" + std::to_string(number);
    record.created_at = time;
    record.node = "node-1";
    record.ip = "192.0.2.1";
    record.key_name = "alice";
    record.user_agent = "OpenAI/Python 1.0";
    record.method = "POST";
    record.path = "/v1/chat/completions";
    record.model = "gpt-4o";
    record.stream = true;
    record.body = R"({"model":"gpt-4o","messages":[]})";
    record.body_bytes = record.body.size();
    record.status = 200;
    record.outcome = RequestOutcome::ok;
    record.upstream_id = 7;
    record.upstream_name = "second";
    record.upstream_endpoint = "https://api.example.com/v1";
    record.response = "hello";
    record.response_bytes = 1234;
    record.response_time = 5ms;
    record.elapsed_time = 10ms;
    record.prompt_tokens = 1;
    record.completion_tokens = 2;
    record.total_tokens = 3;
    record.finish_reason = "stop";
    record.trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
    record.authenticated = true;

    AttemptRecord failed;
    failed.number = 1;
    failed.upstream_name = "first";
    failed.started_at = time;
    failed.outcome = AttemptOutcome::timeout;
    failed.error = "no response headers within 5 s";
    failed.elapsed_time = 5ms;
    AttemptRecord answered;
    answered.number = 2;
    answered.upstream_id = 7;
    answered.upstream_name = "second";
    answered.started_at = time + 5ms;
    answered.status = 200;
    answered.first_byte_time = 1ms;
    answered.elapsed_time = 2ms;
    record.attempts = {failed, answered};
    return record;
}

}  // namespace route::test
