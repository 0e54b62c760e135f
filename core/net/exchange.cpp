#include "core/net/exchange.hpp"

#include <openssl/crypto.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>

#include "core/text.hpp"
#include "core/uuid.hpp"

namespace route::net {

namespace {

/// Shorter ones are no secrets, and may be words.
constexpr std::size_t shortest_secret = 8;

void erase_secret(std::string& text, std::string_view secret)
{
    if (secret.size() < shortest_secret || text.size() < secret.size())
        return;
    const auto* found = ::memmem(text.data(), text.size(), secret.data(), secret.size());
    while (found != nullptr) {
        const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
        text.replace(at, secret.size(), "…");
        found = ::memmem(text.data() + at, text.size() - at, secret.data(), secret.size());
    }
}

}  // namespace

Exchange::Exchange(EventLoop& loop, Client& client, Request& request, ExchangeTimers& timers,
                   KnownCredential& known)
    : loop_{loop},
      client_{client},
      request_{request},
      timers_{timers},
      known_{known},
      table_{loop.routing},
      writer_{client, table_->settings.timeouts.idle,
              table_->settings.records.durability == Durability::commit},
      account_{loop.services.buffered, table_->settings.server.max_buffered}
{
    loop_.services.in_flight.fetch_add(1, std::memory_order_relaxed);
}

Exchange::~Exchange()
{
    loop_.services.in_flight.fetch_sub(1, std::memory_order_relaxed);
    account_.release();
}

void Exchange::stop()
{
    stopped_ = true;
    keep_alive_ = false;
    client_.connection.close();
    if (attempt_)
        attempt_->abort(Cause::stopped);  // may end this exchange before it returns
}

void Exchange::on_client_gone(void* target)
{
    auto& exchange = *static_cast<Exchange*>(target);
    exchange.keep_alive_ = false;
    exchange.client_.connection.close();  // a reply that waits for it to read is over, too
    if (exchange.attempt_)
        exchange.attempt_->abort(Cause::client_gone);
}

awaitable<void> Exchange::run()
{
    begin_record();
    keep_alive_ = request_.parser->keep_alive() && !loop_.draining;
    const auto complaint = check_request_head(request_);
    if (!complaint.empty()) {
        RouterError error{400, "bad_request", std::string{complaint}};
        co_await refuse(std::move(error));
        co_return;
    }
    record_.path = request_.path;
    const bool answered = co_await answer_page();
    if (!answered) {
        recorded_ = true;
        try {
            co_await serve();
        } catch (const std::exception& error) {
            // A broken invariant, or no memory: this request is lost, its record is not.
            fail_unexpectedly(error.what());
        }
        client_.unwatch();
        co_await finish();
    }
    co_await leave_unread_body();
}

void Exchange::fail_unexpectedly(std::string_view what)
{
    spdlog::error("request {} ended unexpectedly: {}", record_.request_id, what);
    attempt_.reset();
    client_closed("after an internal error");
    client_.connection.abandon();
}

/// A client that still sends its body is given the time to read the answer.
awaitable<void> Exchange::leave_unread_body()
{
    if (!keep_alive_ && !request_.body_read && !request_.parser->done() && client_.connection.is_open())
        co_await client_.linger();
}

awaitable<void> Exchange::refuse(RouterError error)
{
    if (record_.request_id.empty())
        begin_record();
    recorded_ = true;
    keep_alive_ = false;
    co_await answer(std::move(error));
    co_await finish();
    const bool unread = !request_.parser || (!request_.body_read && !request_.parser->done());
    if (unread && client_.connection.is_open())
        co_await client_.linger();
}

awaitable<void> Exchange::serve()
{
    if (auto refusal = authenticate()) {
        co_await answer(std::move(*refusal));
        co_return;
    }
    record_.authenticated = true;
    if (loop_.draining) {
        keep_alive_ = false;
        RouterError error{503, "draining", "this router is shutting down"};
        co_await answer(std::move(error));
        co_return;
    }
    if (wants_websocket()) {
        RouterError error{501, "websocket_unavailable", "this version does not tunnel WebSocket connections"};
        co_await answer(std::move(error));
        co_return;
    }
    const bool whole = co_await take_in_body();
    if (!whole)
        co_return;
    auto facts = read_request_facts(find_field(request_.fields(), http::field::content_type), request_.body);
    if (!facts) {
        fill_request_record();
        RouterError error{400, "bad_request", facts.error().reason};
        co_await answer(std::move(error));
        co_return;
    }
    facts_ = std::move(*facts);
    fill_request_record();
    co_await route();
}

awaitable<bool> Exchange::take_in_body()
{
    const auto& server = table_->settings.server;
    const auto declared = request_.parser->content_length();
    if (declared && *declared > server.max_body) {
        co_await answer_unread_body(ReadOutcome::too_large);
        co_return false;
    }
    account_.most = server.max_buffered - std::min(server.max_buffered, loop_.services.sink.held_bytes());
    if (!account_.add(declared.value_or(0))) {
        co_await answer_unread_body(ReadOutcome::overloaded);
        co_return false;
    }
    if (request_.parser->done()) {
        request_.body_read = true;
        request_.body.reserve(body_padding);
        co_return true;
    }
    const auto expectation = find_field(request_.fields(), http::field::expect);
    if (client_.input.empty() && !request_.http10() && equal_ignoring_case(expectation, "100-continue")) {
        auto interim = part("HTTP/1.1 100 Continue\r\n\r\n");
        const auto error = co_await write_all(client_.connection, {&interim, 1});
        if (error) {
            client_closed("before its body");
            co_return false;
        }
    }
    const auto begin = Clock::now();
    const auto outcome =
        co_await read_request_body(client_, request_, server.max_body, server.body_timeout, account_);
    waited_ += Clock::now() - begin;
    request_.body_read = outcome == ReadOutcome::whole;
    record_.body_bytes = request_.body.size();
    if (!request_.body_read)
        co_await answer_unread_body(outcome);
    co_return request_.body_read;
}

awaitable<void> Exchange::answer_unread_body(ReadOutcome outcome)
{
    RouterError error{400, "bad_request", "the body is not validly framed"};
    std::string fields;
    if (outcome == ReadOutcome::timed_out) {
        error = RouterError{408, "request_timeout", "the body did not arrive in time"};
    } else if (outcome == ReadOutcome::too_large) {
        const auto most = std::to_string(table_->settings.server.max_body);
        error = RouterError{413, "body_too_large",
                            "the body is longer than the " + most + " bytes that are accepted"};
    } else if (outcome == ReadOutcome::overloaded) {
        error = RouterError{503, "overloaded",
                            "the router holds as much as it may (server.max_buffered); try again shortly"};
        fields = "Retry-After: 1\r\n";
    } else if (outcome != ReadOutcome::malformed) {
        client_closed("while it sent its body");
        co_return;
    }
    co_await answer(std::move(error), std::move(fields));
}

void Exchange::begin_record()
{
    record_.created_at = std::chrono::system_clock::now();
    record_.node = loop_.services.node;
    record_.request_id = uuid_v7(record_.created_at, loop_.random(), loop_.random());
    if (!request_.parser) {
        record_.ip = client_address(*table_, client_.peer, {});
        return;
    }
    const auto& fields = request_.fields();
    // All lines count, in their order: a proxy may add its own instead of extending the client's.
    std::string forwarded;
    if (!table_->trusted_v4.empty() || !table_->trusted_v6.empty())
        for (const auto& field : fields)
            if (equal_ignoring_case(field.name, "x-forwarded-for"))
                forwarded.append(forwarded.empty() ? "" : ", ").append(field.value);
    record_.ip = client_address(*table_, client_.peer, forwarded);
    record_.method = request_.parser->method();
    record_.user_agent = find_field(fields, http::field::user_agent);
    record_.client_request_id = find_field(fields, std::string_view{"x-request-id"});
}

void Exchange::fill_request_record()
{
    record_.model = facts_.model;
    record_.stream = facts_.stream;
    record_.body_bytes = request_.body.size();
    record_.body_content_type = find_field(request_.fields(), http::field::content_type);
}

bool Exchange::wants_websocket() const
{
    const auto upgrade = find_field(request_.fields(), http::field::upgrade);
    return request_.parser->method() == "GET" && equal_ignoring_case(upgrade, "websocket");
}

std::optional<RouterError> Exchange::authenticate()
{
    const auto& fields = request_.fields();
    const auto api_key = find_field(fields, std::string_view{"x-api-key"});
    const auto authorization = find_field(fields, http::field::authorization);
    constexpr std::string_view scheme = "Bearer";
    const bool bearer = authorization.size() >= scheme.size() &&
                        equal_ignoring_case(authorization.substr(0, scheme.size()), scheme) &&
                        (authorization.size() == scheme.size() || authorization[scheme.size()] == ' ');
    api_key_header_ = !api_key.empty() && !bearer;
    if (!table_->settings.auth.enabled)
        return std::nullopt;
    if (bearer) {
        auto key = authorization.substr(scheme.size());
        const auto begin = key.find_first_not_of(' ');
        key = begin == std::string_view::npos ? std::string_view{}
                                              : key.substr(begin, key.find_last_not_of(' ') - begin + 1);
        if (authenticate_credential(key))
            return std::nullopt;
    }
    if (!api_key.empty() && authenticate_credential(api_key)) {
        api_key_header_ = true;
        return std::nullopt;
    }
    if (!bearer && api_key.empty())
        return RouterError{403, "invalid_api_key", "authorization header should start with 'Bearer'"};
    return RouterError{403, "invalid_api_key", "wrong authorization header"};
}

bool Exchange::authenticate_credential(std::string_view credential)
{
    presented_key_ = credential;
    const bool known = known_.table == table_ && known_.credential.size() == credential.size() &&
                       !credential.empty() &&
                       CRYPTO_memcmp(known_.credential.data(), credential.data(), credential.size()) == 0;
    if (!known) {
        const auto* key = find_key(table_->keys, hash_key(credential));
        if (key == nullptr)
            return false;
        known_ = KnownCredential{table_, std::string{credential}, key->name};
    }
    record_.key_name = known_.key_name;
    return true;
}

/// No key gets into a record, whoever wrote it where: upstreams quote keys they refuse, clients put theirs
/// into paths.
void Exchange::erase_keys()
{
    for (auto* text : {&record_.path, &record_.user_agent, &record_.client_request_id, &record_.body,
                       &record_.error, &record_.reply.raw, &record_.reply.summary.text})
        erase_secret(*text, presented_key_);
    for (const auto& upstream : table_->upstreams) {
        const bool tried =
            std::any_of(record_.attempts.begin(), record_.attempts.end(),
                        [&](const auto& attempt) { return attempt.upstream_name == upstream->name; });
        if (!tried)
            continue;
        erase_secret(record_.error, upstream->key);
        erase_secret(record_.reply.raw, upstream->key);
        erase_secret(record_.reply.summary.text, upstream->key);
    }
}

awaitable<void> Exchange::finish()
{
    if (!recorded_)
        co_return;
    const auto end = Clock::now();
    record_.elapsed_time = end - request_.started;
    if (writer_.first_byte())
        record_.response_time = *writer_.first_byte() - request_.started;
    waited_ += writer_.waited();
    record_.overhead = std::max<Clock::duration>(record_.elapsed_time - waited_, {});
    if (table_->settings.records.request_body && record_.authenticated) {
        // The writer cuts at a character; here only the memory is given back early.
        const auto most = static_cast<std::size_t>(table_->settings.records.max_request_body) + 4;
        if (request_.body.size() > most) {
            request_.body.resize(most);
            request_.body.shrink_to_fit();
        }
        record_.body = std::move(request_.body);
    }
    erase_keys();
    loop_.services.on_finished(record_);
    if (unrecordable_) {
        loop_.services.sink.dropped(record_);
    } else if (record_.authenticated && table_->settings.records.durability == Durability::commit) {
        // The loop's signal is notified from the writer's thread by way of the loop.
        Signal stored;
        bool done = false;
        loop_.services.sink.take(std::move(record_), [&loop = loop_, &stored, &done] {
            loop.post([&stored, &done] {
                done = true;
                stored.notify();
            });
        });
        if (!done) {
            auto committed = stored.wait();
            co_await std::move(committed);
        }
    } else {
        loop_.services.sink.take(std::move(record_), {});
    }
    account_.release();
    const auto released = co_await writer_.release();
    if (released == ReplyWriter::Written::gone)
        keep_alive_ = false;
}

}  // namespace route::net
