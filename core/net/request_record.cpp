#include "core/net/request_record.hpp"

#include <algorithm>
#include <array>

#include "core/http/trace_context.hpp"
#include "core/net/waiting/wakeup.hpp"
#include "core/secret_eraser.hpp"
#include "core/text.hpp"
#include "core/uuid.hpp"

namespace route::net {

namespace {

/// The address of the client: of proxies that are trusted, as they say.
std::string address_of(const Client& client, const RoutingTable& table, const HeaderFields& fields)
{
    // All lines count, in their order: a proxy may add its own instead of extending the client's.
    std::string forwarded;
    for (const auto& field : fields)
        if (equal_ignoring_case(field.name, "x-forwarded-for"))
            forwarded.append(forwarded.empty() ? "" : ", ").append(field.value);
    return forwarded.empty() ? std::string{} : client_address(table, client.peer, forwarded);
}

void erase_secrets_from_model(Record& record, const SecretEraser& upstream_secrets, bool cut)
{
    if (!cut && record.model->size() < SecretEraser::shortest)
        return;
    const auto may_stand_in_it = [&](const Secret& key) {
        return key->size() >= SecretEraser::shortest &&
               std::min(key->size(), SecretEraser::telling) <= record.model->size();
    };
    if (!cut && std::none_of(record.client_keys.begin(), record.client_keys.end(), may_stand_in_it)) {
        upstream_secrets.erase(*record.model);
        return;
    }
    SecretEraser client_secrets;
    for (const auto& key : record.client_keys)
        client_secrets.add(*key);
    const std::array<const SecretEraser*, 2> erasers{&upstream_secrets, &client_secrets};
    erase_secrets(*record.model, erasers, cut);
}

}  // namespace

RequestRecord::RequestRecord(EventLoop& loop, RoutingTablePtr table)
    : loop_{loop}, table_{std::move(table)}, queued_{loop.new_record()}, record_{&queued_->record}
{
}

void RequestRecord::begin(Client& client, const Request& request)
{
    auto& record = *record_;
    record.created_at = std::chrono::system_clock::now();
    record.node = loop_.services.node;
    write_uuid_v7(record.request_id, record.created_at, loop_.random(), loop_.random());
    record.ip = client.peer_text();
    record.upstream_secrets = {table_, &table_->secrets};
    if (!request.parser)
        return;
    const auto& fields = request.fields();
    if (!table_->trusted.empty())
        if (auto address = address_of(client, *table_, fields); !address.empty())
            record.ip = std::move(address);
    record.method = request.parser->method();
    record.user_agent = find_field(fields, http::field::user_agent);
    record.client_request_id = find_field(fields, std::string_view{"x-request-id"});
    record.trace_id = trace_id(fields);
}

void RequestRecord::note_facts(const RequestFacts& facts, const Request& request)
{
    record_->model = facts.model;
    if (record_->model)
        erase_secrets_from_model(*record_, table_->secrets, facts.model_cut);
    record_->stream = facts.stream;
    record_->body_content_type = find_field(request.fields(), http::field::content_type);
}

awaitable<void> RequestRecord::wait_for_room(const Client& client)
{
    constexpr auto patience = std::chrono::seconds{5};
    constexpr auto step = std::chrono::milliseconds{50};
    const auto& sink = loop_.services.sink;
    Timer timer{loop_.io.get_executor()};
    const auto limit = Clock::now() + patience;
    while (!sink.has_room() && Clock::now() < limit && !client.stopped()) {
        timer.expires_after(step);
        auto passed = timer.async_wait(no_throw);
        co_await std::move(passed);
    }
    no_room_ = !sink.has_room();
}

void RequestRecord::close(const Request& request, const ReplyWriter& writer, std::string body)
{
    auto& record = *record_;
    record.elapsed_time = Clock::now() - request.started;
    if (writer.first_byte())
        record.response_time = *writer.first_byte() - request.started;
    record.overhead = std::max<Clock::duration>(record.elapsed_time - waited_ - writer.waited(), {});
    if (!table_->settings.records.request_body || !record.authenticated)
        return;
    // The writer cuts at a character; here only the memory is given back early.
    const auto most = static_cast<std::size_t>(table_->settings.records.max_request_body) + 4;
    if (body.size() > most) {
        body.resize(most);
        body.shrink_to_fit();
        record.body_cut = true;
    }
    record.body = std::move(body);
}

/// A WebSocket may be open for hours: keys that were added meanwhile are secrets, and those removed still
/// are.
std::shared_ptr<const SecretEraser> RequestRecord::secrets_by_now()
{
    const auto& now = loop_.routing;
    if (now == table_)
        return {table_, &table_->secrets};
    if (later_table_ != now) {
        auto secrets = std::make_shared<SecretEraser>(now->secrets);
        for (const auto& upstream : table_->upstreams)
            add_secrets(*secrets, *upstream);
        later_secrets_ = std::move(secrets);
        later_table_ = now;
    }
    return later_secrets_;
}

std::unique_ptr<QueuedRecord> RequestRecord::further(TimePoint began)
{
    auto queued = loop_.new_record();
    auto& to = queued->record;
    const auto& from = *record_;
    const auto age = std::chrono::duration_cast<SystemTime::duration>(Clock::now() - began);
    to.created_at = std::chrono::system_clock::now() - age;
    write_uuid_v7(to.request_id, to.created_at, loop_.random(), loop_.random());
    to.client_request_id = from.client_request_id;
    to.trace_id = from.trace_id;
    to.node = from.node;
    to.ip = from.ip;
    to.key_name = from.key_name;
    to.user_agent = from.user_agent;
    to.method = from.method;
    to.path = from.path;
    to.status = from.status;
    to.upstream_id = from.upstream_id;
    to.upstream_name = from.upstream_name;
    to.upstream_endpoint = from.upstream_endpoint;
    to.authenticated = from.authenticated;
    to.client_keys = from.client_keys;
    to.upstream_secrets = secrets_by_now();
    return queued;
}

void RequestRecord::note_model(Record& further, std::string model)
{
    const bool cut = model.size() >= max_model_name;
    further.model = std::move(model);
    erase_secrets_from_model(further, *further.upstream_secrets, cut);
}

void RequestRecord::hand_over(std::unique_ptr<QueuedRecord> further)
{
    loop_.services.on_finished(further->record);
    no_room_ = no_room_ && !loop_.services.sink.has_room();
    if (no_room_)
        loop_.services.sink.dropped(std::move(further));
    else
        loop_.services.sink.take(std::move(further));
}

void RequestRecord::hand_over()
{
    loop_.services.on_finished(*record_);
    record_ = nullptr;
    if (no_room_)
        loop_.services.sink.dropped(std::move(queued_));
    else
        loop_.services.sink.take(std::move(queued_));
}

awaitable<void> RequestRecord::hand_over_and_wait()
{
    // The loop's wake-up is notified from the writer's thread by way of the loop.
    Wakeup stored;
    bool waits = record_->authenticated && !no_room_;
    if (waits)
        queued_->stored = [&loop = loop_, &stored, &waits] {
            loop.post([&stored, &waits] {
                waits = false;
                stored.notify();
            });
        };
    hand_over();
    if (waits) {
        auto committed = stored.wait();
        co_await std::move(committed);
    }
}

}  // namespace route::net
