#pragma once

#include <memory>

#include "core/failover/timeouts.hpp"
#include "core/net/loop/event_loop.hpp"
#include "core/net/transport/outbound_proxy.hpp"
#include "core/settings.hpp"
#include "notify/channel.hpp"

namespace route::notify {

/// How long a request may take.
struct RequestLimits
{
    AttemptTimeouts timeouts{Seconds{5}, Seconds{10}, Seconds{10}};
    net::Clock::duration in_all = std::chrono::seconds{20};
};

/// Over the network: TLS against the system's authorities, through the proxies the environment names. On the
/// loop's thread.
class NetworkHttp final : public Http
{
  public:
    NetworkHttp(net::EventLoop& loop, net::EnvironmentProxies proxies, RequestLimits limits = {});

    net::awaitable<HttpReply> ask(const HttpRequest& request) override;

  private:
    net::EventLoop& loop_;
    net::EnvironmentProxies proxies_;
    RequestLimits limits_;
    UpstreamSettings settings_;            ///< the usual ones, of kept connections
    std::shared_ptr<net::TlsClient> tls_;  ///< made when first needed: reading the authorities takes time
};

}  // namespace route::notify
