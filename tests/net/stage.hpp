#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/failover/upstream.hpp"
#include "core/record.hpp"
#include "core/settings.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fake_upstream.hpp"
#include "tests/support/silent_ports.hpp"
#include "tests/support/test_client.hpp"
#include "tests/support/test_router.hpp"
#include "tests/support/upstream_scripts.hpp"

namespace route::test {

/// Limits that no test waits for: what is proved is that something happens without them. A test shortens the
/// one it is about.
Settings patient_settings();

/// A router, fake upstreams called `first`, `second`, … with the keys `sk-upstream-1`, `sk-upstream-2`, …,
/// and whoever asks: with the keys `test-key` and `other-key`.
class Stage
{
  public:
    explicit Stage(std::vector<Script> scripts, Settings settings = patient_settings(),
                   net::LookUp look_up = &net::look_up_with_system);

    TestRouter& router() { return router_; }
    boost::asio::io_context& io() { return router_.io(); }
    FakeUpstream& upstream(std::size_t index) { return *upstreams_.at(index); }
    FakeUpstream& first() { return upstream(0); }
    FakeUpstream& second() { return upstream(1); }

    /// Definitions in force; `change` edits them and hands them to the router.
    void change(const std::function<void(std::vector<UpstreamDefinition>&)>& edit);

    /// Adds one before all others whose connections go to `port`.
    void put_first(std::uint16_t port);

    std::unique_ptr<TestClient> connect(int receive_buffer = 0);

    /// On a connection of its own; fails the test when no reply comes.
    Reply ask(const std::string& request);

    /// The same for a HEAD request.
    Reply ask_head(const std::string& request);

    void run_until(const std::function<bool()>& done) { router_.run_until(done); }

    /// Lets everything run that can run without waiting for time to pass.
    void settle();

    /// The nth finished request (from 0), once it is there.
    const Record& record(std::size_t nth = 0);

    /// Records of requests that had a valid key.
    std::size_t authenticated_records();

  private:
    Reply ask(const std::string& request, bool head);

    TestRouter router_;
    std::vector<std::unique_ptr<FakeUpstream>> upstreams_;
    std::vector<UpstreamDefinition> definitions_;
};

UpstreamDefinition definition(std::int64_t id, std::string name, std::uint16_t port);

/// Its attempts in the order in which they ended: "first:status second:ok".
std::string tries_of(const Record& record);

/// The members of an error of the router's own; fails the test when the reply does not have the OpenAI shape.
struct ErrorText
{
    std::string message;
    std::string type;
    std::string code;
};
ErrorText error_of(const Reply& reply);

}  // namespace route::test
