// The record of a request: begun with its head, closed with its end.
#include <algorithm>
#include <array>

#include "core/http/trace_context.hpp"
#include "core/net/exchange.hpp"
#include "core/secret_eraser.hpp"
#include "core/text.hpp"
#include "core/uuid.hpp"

namespace route::net {

void Exchange::begin_record()
{
    record_.created_at = std::chrono::system_clock::now();
    record_.node = loop_.services.node;
    write_uuid_v7(record_.request_id, record_.created_at, loop_.random(), loop_.random());
    record_.ip = client_.peer_text();
    record_.upstream_secrets = {table_, &table_->secrets};
    if (!request_.parser)
        return;
    const auto& fields = request_.fields();
    // All lines count, in their order: a proxy may add its own instead of extending the client's.
    std::string forwarded;
    if (!table_->trusted.empty())
        for (const auto& field : fields)
            if (equal_ignoring_case(field.name, "x-forwarded-for"))
                forwarded.append(forwarded.empty() ? "" : ", ").append(field.value);
    if (!forwarded.empty())
        record_.ip = client_address(*table_, client_.peer, forwarded);
    record_.method = request_.parser->method();
    record_.user_agent = find_field(fields, http::field::user_agent);
    record_.client_request_id = find_field(fields, std::string_view{"x-request-id"});
    record_.trace_id = trace_id(fields);
}

void Exchange::fill_request_record()
{
    record_.model = facts_.model;
    erase_secrets_from_model();
    record_.stream = facts_.stream;
    record_.body_bytes = request_.body.size();
    record_.body_content_type = find_field(request_.fields(), http::field::content_type);
}

/// It becomes a metric's label, and part of what the client is told, before the writer sees it.
void Exchange::erase_secrets_from_model()
{
    const auto may_stand_in_it = [&](const Secret& key) {
        return key->size() >= SecretEraser::shortest &&
               std::min(key->size(), SecretEraser::telling) <= record_.model->size();
    };
    if (!record_.model)
        return;
    SecretEraser client_secrets;
    if (facts_.model_cut ||
        std::any_of(record_.client_keys.begin(), record_.client_keys.end(), may_stand_in_it))
        for (const auto& key : record_.client_keys)
            client_secrets.add(*key);
    const std::array<const SecretEraser*, 2> erasers{&table_->secrets, &client_secrets};
    erase_secrets(*record_.model, erasers, facts_.model_cut);
}

/// What the record says of the end.
void Exchange::close_record()
{
    record_.elapsed_time = Clock::now() - request_.started;
    if (writer_.first_byte())
        record_.response_time = *writer_.first_byte() - request_.started;
    waited_ += writer_.waited();
    record_.overhead = std::max<Clock::duration>(record_.elapsed_time - waited_, {});
    if (!table_->settings.records.request_body || !record_.authenticated)
        return;
    if (decoded_)
        request_.body = *std::move(decoded_);
    // The writer cuts at a character; here only the memory is given back early.
    const auto most = static_cast<std::size_t>(table_->settings.records.max_request_body) + 4;
    if (request_.body.size() > most) {
        request_.body.resize(most);
        request_.body.shrink_to_fit();
        record_.body_cut = true;
    }
    record_.body = std::move(request_.body);
}

/// Exactly one record, one metric and one log line, whatever happened.
void Exchange::finish()
{
    close_record();
    loop_.services.on_finished(record_);
    if (unrecordable_)
        loop_.services.sink.dropped(std::move(queued_));
    else
        loop_.services.sink.take(std::move(queued_));
    account_.release();
}

/// The same; then sends the byte that was held back until the record is stored.
awaitable<void> Exchange::finish_durably()
{
    // The loop's signal is notified from the writer's thread by way of the loop.
    Wakeup stored;
    bool waits = record_.authenticated && !unrecordable_;
    if (waits)
        queued_->stored = [&loop = loop_, &stored, &waits] {
            loop.post([&stored, &waits] {
                waits = false;
                stored.notify();
            });
        };
    finish();
    if (waits) {
        auto committed = stored.wait();
        co_await std::move(committed);
    }
    const auto released = co_await writer_.release();
    if (released == ReplyWriter::Written::gone)
        keep_alive_ = false;
}

}  // namespace route::net
