#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/net/server.hpp"

namespace route::test {

/// A router on one event loop in this thread, listening on 127.0.0.1 port 0. Fake upstreams and clients are
/// made on the same io_context: nothing happens but in run_until().
class TestRouter
{
  public:
    explicit TestRouter(Settings settings = {}, std::vector<UpstreamDefinition> upstreams = {},
                        std::vector<std::string> client_keys = {"test-key"},
                        net::LookUp look_up = &net::look_up_with_system);
    ~TestRouter();

    boost::asio::io_context& io() { return loop_->io; }
    std::uint16_t port() const { return port_; }

    /// Finished requests in order, complete_record() applied.
    std::vector<Record>& records() { return sink_.records; }

    /// Runs until `done`; the test fails at the bound.
    void run_until(const std::function<bool()>& done, std::chrono::seconds bound = std::chrono::seconds{10});

    /// Requests that begin from now on see these. Cooldowns of upstreams of the same name go on.
    void set_upstreams(std::vector<UpstreamDefinition> upstreams);

    const net::RoutingTable& routing() const { return *loop_->routing; }

    /// What set_upstreams() makes from now on verifies with `upstream.ca_file` as it is then.
    void read_authorities();
    void drain();

    net::Services& services() { return services_; }

    /// From now on records are not stored (durability "commit" waits for that) until release_stored().
    void hold_stored() { sink_.holds = true; }
    void release_stored();
    bool has_room = true;  ///< what the record sink says
    int dropped() const { return sink_.dropped_count; }
    std::uint64_t held_bytes = 0;

  private:
    struct Sink final : RecordSink
    {
        explicit Sink(TestRouter& the_router) : router{the_router} {}
        void take(std::unique_ptr<QueuedRecord> queued) override;
        bool has_room() const override { return router.has_room; }
        std::uint64_t held_bytes() const override { return router.held_bytes; }
        void dropped(std::unique_ptr<QueuedRecord>) override { ++dropped_count; }

        TestRouter& router;
        std::vector<Record> records;
        bool holds = false;
        std::vector<std::function<void()>> held;
        int dropped_count = 0;
    };

    net::RoutingTablePtr make_table(const std::vector<UpstreamDefinition>& upstreams);

    Settings settings_;
    std::vector<ClientKey> keys_;
    std::shared_ptr<net::TlsClient> tls_;
    std::vector<std::pair<std::string, std::shared_ptr<Cooldown>>> cooldowns_;
    Sink sink_{*this};
    net::Services services_;
    std::unique_ptr<net::EventLoop> loop_;
    std::unique_ptr<net::Acceptor> acceptor_;
    std::uint16_t port_ = 0;
};

}  // namespace route::test
