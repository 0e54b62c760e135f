#include "notify/network_http.hpp"

#include <utility>

#include "core/net/outbound_request.hpp"

namespace route::notify {

namespace {

net::OutboundRequest outbound(const HttpRequest& request)
{
    net::OutboundRequest result{request.method, request.url.query, request.fields, request.body};
    result.fields.emplace_back("User-Agent", "openai-api-route");
    result.fields.emplace_back("Accept", "application/json, */*");
    if (!request.body.empty())
        result.fields.emplace_back("Content-Type", "application/json");
    if (!request.url.user_info.empty())
        result.fields.emplace_back("Authorization", "Basic " + basic_credentials(request.url.user_info));
    return result;
}

}  // namespace

NetworkHttp::NetworkHttp(net::EventLoop& loop, net::EnvironmentProxies proxies, RequestLimits limits)
    : loop_{loop}, proxies_{std::move(proxies)}, limits_{limits}
{
}

net::awaitable<HttpReply> NetworkHttp::ask(const HttpRequest& request)
{
    auto table = std::make_shared<net::RoutingTable>();
    table->proxies = proxies_;
    if (request.url.endpoint.tls && !tls_) {
        auto tls = net::TlsClient::make("");
        if (!tls)
            co_return HttpReply{0, "", "", tls.error().reason};
        tls_ = *std::move(tls);
    }
    table->tls = tls_;
    Upstream upstream;
    upstream.name = "message";
    upstream.endpoint = request.url.endpoint;
    upstream.asis = true;  // what it authenticates with is among its own fields
    net::add_upstream(*table, std::move(upstream));
    const auto sent = outbound(request);
    auto sending = net::send_outbound(loop_, std::move(table), sent, limits_.timeouts, limits_.in_all);
    auto answer = co_await std::move(sending);
    HttpReply reply{answer.status, std::move(answer.body), std::move(answer.retry_after)};
    if (reply.status == 0 && answer.failure)
        reply.error = describe(*answer.failure);
    hide_secrets(reply, request);
    co_return reply;
}

}  // namespace route::notify
