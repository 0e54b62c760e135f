#pragma once

#include <atomic>
#include <boost/json/object.hpp>
#include <stop_token>
#include <string>

#include "app/live_routing.hpp"
#include "core/net/loop/services.hpp"
#include "core/net/transport/local_server.hpp"
#include "core/timestamps.hpp"
#include "metrics/metrics.hpp"

namespace route {

/// The socket at which a router answers commands: beside its outbox, one for each.
std::string control_path(const StorageSettings& settings);

/// The database a router uses, fit to be shown; "none".
std::string database_text(const StorageSettings& settings);

/// What a running router tells of itself and answers for itself to the commands on its machine: `/status`,
/// `/explain`, `/upstreams/test` and `/reference`, each asked with a JSON object or nothing. No answer holds
/// a key.
class RouterControl
{
  public:
    struct Facts
    {
        std::string listen;  ///< HOST:PORT
        std::string config;  ///< file; "" for none
        StorageSettings storage;
        SystemTime since = std::chrono::system_clock::now();
    };

    /// Tests of upstreams at once; they may take minutes.
    static constexpr int most_tests = 3;

    /// All of them outlive it.
    RouterControl(const LiveRouting& routing, const net::Services& services, metrics::Gauges gauges,
                  Facts facts);

    void start() { server_.start(); }
    /// The router ends: another may take its place.
    void leave() { server_.leave(); }
    void stop() { server_.stop(); }

    /// Any thread; soon after `stop` was requested, whatever it was doing.
    net::LocalReply answer(const net::LocalRequest& request, const std::stop_token& stop);

  private:
    net::LocalReply reply(unsigned status, boost::json::object body) const;
    net::LocalReply refuse(unsigned status, const std::string& reason) const;
    net::LocalReply status(const boost::json::object& asked, const std::stop_token& stop) const;
    net::LocalReply explain(const boost::json::object& asked, const std::stop_token& stop) const;
    net::LocalReply test(const boost::json::object& asked, const std::stop_token& stop);
    net::LocalReply replay(const boost::json::object& asked, const std::stop_token& stop);
    net::LocalReply reference(const boost::json::object& asked) const;
    bool knows(const boost::json::object& asked, const std::stop_token& stop) const;

    const LiveRouting& routing_;
    const net::Services& services_;
    const metrics::Gauges gauges_;
    const Facts facts_;
    std::atomic<int> tests_{0};
    net::LocalServer server_;
};

}  // namespace route
