#include "tests/fuzz/offline_router.hpp"

#include <spdlog/spdlog.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>

#include "core/net/session.hpp"
#include "core/text.hpp"
#include "tests/fuzz/input.hpp"
#include "tests/support/silent_ports.hpp"

namespace route::fuzz {

namespace {

class Sink final : public RecordSink
{
  public:
    explicit Sink(const RecordLimits& limits) : limits_{limits} {}

    void take(std::unique_ptr<QueuedRecord> queued) override
    {
        complete_record(queued->record, limits_);
        records.push_back(std::move(queued->record));
        if (queued->stored)
            queued->stored();
    }
    bool has_room() const override { return true; }
    void dropped(std::unique_ptr<QueuedRecord>) override { require(false, "every record finds room"); }

    std::vector<Record> records;

  private:
    RecordLimits limits_;
};

/// Small enough that a few kilobytes reach every limit; no time is ever up.
Settings small_and_patient()
{
    constexpr Seconds long_time{3600};
    Settings settings;
    auto& timeouts = settings.timeouts;
    for (auto* time :
         {&timeouts.default_, &timeouts.stream, &timeouts.large_body, &timeouts.single, &timeouts.connect,
          &timeouts.idle, &settings.failover.commit_after, &settings.server.header_timeout,
          &settings.server.body_timeout, &settings.server.keep_alive, &settings.upstream.idle_timeout})
        *time = long_time;
    settings.server.max_body = 2048;
    settings.server.max_buffered = 64u << 10;
    settings.failover.reply_buffer = 1024;
    settings.records.max_request_body = 512;
    settings.records.max_response = 512;
    return settings;
}

/// What routers share and what is made once: threads, a port.
struct Shared
{
    Shared() : services{sink}
    {
        spdlog::set_level(spdlog::level::off);
        services.node = "node";
        services.metrics_text = [] { return std::string{"a 1\n"}; };
        services.readiness = [] { return net::Readiness{}; };
    }

    Settings settings = small_and_patient();
    Sink sink{{true, settings.records.max_request_body, true, settings.records.max_response}};
    net::Services services;
    boost::asio::io_context io;
    test::RefusingPort nobody{io};
};

Shared& shared()
{
    static Shared shared;
    return shared;
}

Upstream make(std::size_t index)
{
    UpstreamDefinition definition;
    definition.id = static_cast<std::int64_t>(index) + 1;
    definition.name = index == 0 ? "first" : "second";
    definition.sk = OfflineRouter::upstream_keys[index];
    definition.endpoint =
        "http://127.0.0." + std::to_string(index + 1) + ":" + std::to_string(shared().nobody.port()) + "/v1";
    if (index == 1)
        definition.rename = {{"gpt-4o", "other"}};
    return make_upstream(definition, {}, nullptr).value();
}

net::RoutingTablePtr make_table(OfflineRouter::Options options)
{
    auto table = std::make_shared<net::RoutingTable>();
    table->settings = shared().settings;
    table->settings.records.durability = options.durable ? Durability::commit : Durability::batch;
    table->keys.push_back({1, "client", hash_key(OfflineRouter::client_key)});
    for (std::size_t index = 0; index < options.upstreams; ++index)
        net::add_upstream(*table, make(index));
    return table;
}

}  // namespace

OfflineRouter::OfflineRouter(Options options) : table_{make_table(options)}
{
    shared().sink.records.clear();
    loop_ = std::make_unique<net::EventLoop>(shared().services, table_);
}

OfflineRouter::~OfflineRouter()
{
    loop_->stop();
    loop_->io.poll();
}

SocketPeer& OfflineRouter::connect_client()
{
    auto& peer = peers_.emplace_back();
    auto session =
        std::make_unique<net::Session>(*loop_, peer.take_near_end(), boost::asio::ip::address_v4::loopback());
    boost::asio::co_spawn(loop_->io, net::run_session(std::move(session)), boost::asio::detached);
    return peer;
}

SocketPeer& OfflineRouter::connect_upstream(std::size_t index)
{
    auto& peer = peers_.emplace_back();
    auto connection = std::make_unique<net::Connection>(loop_->poller, peer.take_near_end());
    loop_->pool.put(table_->upstreams[index]->pool_key, std::move(connection), 64, std::chrono::hours{1});
    return peer;
}

bool OfflineRouter::run()
{
    bool any = loop_->io.poll() > 0;
    for (auto& peer : peers_)
        any = peer.receive() || any;
    return any;
}

bool OfflineRouter::has_sessions() const
{
    return shared().services.open_sessions > 0;
}

void OfflineRouter::end()
{
    const auto limit = net::Clock::now() + std::chrono::seconds{5};
    while (has_sessions()) {
        require(net::Clock::now() < limit, "a session ends when its client has left");
        // Pages are made on another thread.
        loop_->io.run_one_for(std::chrono::milliseconds{1});
        run();
    }
    const auto& services = shared().services;
    require(services.in_flight == 0, "no request is left");
    require(services.buffered.all() == 0, "no buffered byte is left");
}

const std::vector<Record>& OfflineRouter::records() const
{
    return shared().sink.records;
}

void check_record(const Record& record)
{
    std::vector<std::string_view> texts{record.request_id,    record.client_request_id,
                                        record.user_agent,    record.method,
                                        record.path,          record.body,
                                        record.error,         record.response,
                                        record.finish_reason, record.upstream_name};
    if (record.model)
        texts.push_back(*record.model);
    for (const auto& attempt : record.attempts)
        texts.push_back(attempt.error);
    for (const auto text : texts) {
        require(valid_utf8(text) && text.find('\0') == std::string_view::npos,
                "a record is UTF-8 without NUL");
        for (const auto& attempt : record.attempts)
            require(
                text.find(OfflineRouter::upstream_keys[attempt.upstream_id - 1]) == std::string_view::npos,
                "no key of an upstream that was tried is in a record");
        require(!record.authenticated || text.find(OfflineRouter::client_key) == std::string_view::npos,
                "no client's key is in a record");
    }
}

}  // namespace route::fuzz
