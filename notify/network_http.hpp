#pragma once

#include <memory>

#include "core/net/event_loop.hpp"
#include "core/net/outbound_proxy.hpp"
#include "notify/channel.hpp"

namespace route::notify {

/// Over the network: TLS against the system's authorities, through the proxies the environment names, 20 s at
/// most. On the loop's thread.
class NetworkHttp final : public Http
{
  public:
    NetworkHttp(net::EventLoop& loop, net::EnvironmentProxies proxies);

    net::awaitable<HttpReply> ask(const HttpRequest& request) override;

  private:
    net::EventLoop& loop_;
    net::EnvironmentProxies proxies_;
    std::shared_ptr<net::TlsClient> tls_;  ///< made when first needed: reading the authorities takes time
};

}  // namespace route::notify
