#include "tests/support/test_router.hpp"

#include <algorithm>
#include <csignal>
#include <tuple>

#include "tests/support/catch.hpp"

namespace route::test {

TestRouter::TestRouter(Settings settings, std::vector<UpstreamDefinition> upstreams,
                       std::vector<std::string> client_keys, net::LookUp look_up)
    : settings_{std::move(settings)}, services_{sink_, std::move(look_up)}
{
    std::signal(SIGPIPE, SIG_IGN);  // as the program does: OpenSSL writes to closed sockets
    for (const auto& key : client_keys)
        keys_.push_back({static_cast<std::int64_t>(keys_.size()) + 1, key, hash_key(key)});
    loop_ = std::make_unique<net::EventLoop>(services_, make_table(upstreams));
    acceptor_ = std::make_unique<net::Acceptor>(*loop_);
    port_ = acceptor_->listen({"127.0.0.1", 0}).value().port();
    acceptor_->start();
}

TestRouter::~TestRouter()
{
    acceptor_->close();
    loop_->stop();
    loop_->io.restart();
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{5};
    while (services_.open_sessions > 0 && std::chrono::steady_clock::now() < limit)
        loop_->io.run_one_for(std::chrono::milliseconds{50});
    loop_->io.poll();
    services_.pages.join();
    services_.bodies.join();
    services_.lookups.join();
}

void TestRouter::Sink::take(std::unique_ptr<QueuedRecord> queued)
{
    auto& record = queued->record;
    const auto& limits = router.settings_.records;
    complete_record(record,
                    {limits.request_body, limits.max_request_body, limits.response, limits.max_response});
    records.push_back(std::move(record));
    if (queued->stored && holds)
        held.push_back(std::move(queued->stored));
    else if (queued->stored)
        queued->stored();
}

void TestRouter::release_stored()
{
    sink_.holds = false;
    for (auto& stored : std::exchange(sink_.held, {}))
        stored();
}

net::RoutingTablePtr TestRouter::make_table(const std::vector<UpstreamDefinition>& upstreams)
{
    auto table = std::make_shared<net::RoutingTable>();
    table->settings = settings_;
    table->keys = keys_;
    if (!tls_)
        tls_ = net::TlsClient::make(settings_.upstream.ca_file).value();
    table->tls = tls_;
    net::set_trusted_proxies(*table, settings_.server.trusted_proxies).value();
    const SecretResolver plain = [](std::string_view text) -> Result<std::string> {
        return {boost::system::in_place_value, std::string{text}};
    };
    for (const auto& definition : upstreams) {
        const auto name = effective_name(definition);
        auto known = std::find_if(cooldowns_.begin(), cooldowns_.end(),
                                  [&](const auto& each) { return each.first == name; });
        if (known == cooldowns_.end())
            known = cooldowns_.insert(cooldowns_.end(), {name, std::make_shared<Cooldown>()});
        if (definition.enabled)
            net::add_upstream(*table, make_upstream(definition, plain, known->second).value());
    }
    std::sort(table->upstreams.begin(), table->upstreams.end(), [](const auto& a, const auto& b) {
        return std::tie(a->priority, a->id) < std::tie(b->priority, b->id);
    });
    return table;
}

void TestRouter::run_until(const std::function<bool()>& done, std::chrono::seconds bound)
{
    const auto limit = std::chrono::steady_clock::now() + bound;
    loop_->io.restart();
    while (!done()) {
        REQUIRE(std::chrono::steady_clock::now() < limit);
        loop_->io.run_one_for(std::chrono::milliseconds{50});
    }
}

void TestRouter::set_upstreams(std::vector<UpstreamDefinition> upstreams)
{
    loop_->routing = make_table(upstreams);
}

void TestRouter::read_authorities()
{
    tls_.reset();
}

void TestRouter::drain()
{
    services_.draining = true;
    acceptor_->drain();
    loop_->drain();
}

}  // namespace route::test
