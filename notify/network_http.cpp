#include "notify/network_http.hpp"

#include <optional>
#include <utility>

#include "core/http/upstream_head.hpp"
#include "core/net/http/outbound_request.hpp"

namespace route::notify {

namespace {

net::OutboundRequest outbound(const HttpRequest& request, const net::OutboundPath& path)
{
    auto fields = request.fields;
    fields.emplace_back("User-Agent", "openai-api-route");
    fields.emplace_back("Accept", "application/json, */*");
    std::optional<std::uint64_t> body_bytes;
    if (!request.body.empty()) {
        fields.emplace_back("Content-Type", "application/json");
        body_bytes = request.body.size();
    }
    if (!request.url.user_info.empty())
        fields.emplace_back("Authorization", "Basic " + basic_credentials(request.url.user_info));
    const OwnRequest own{request.method, request.url.query, fields, body_bytes};
    net::OutboundRequest result{{}, request.body};
    write_own_request_head(result.head, own, request.url.endpoint, path.proxy, path.proxy_authorization);
    return result;
}

}  // namespace

NetworkHttp::NetworkHttp(net::EventLoop& loop, net::EnvironmentProxies proxies, RequestLimits limits)
    : loop_{loop}, proxies_{std::move(proxies)}, limits_{limits}
{
}

net::awaitable<HttpReply> NetworkHttp::ask(const HttpRequest& request)
{
    const auto& endpoint = request.url.endpoint;
    if (endpoint.tls && !tls_) {
        auto tls = net::TlsClient::make("");
        if (!tls)
            co_return HttpReply{0, "", "", tls.error().reason};
        tls_ = *std::move(tls);
    }
    const auto path = net::path_to(endpoint, "", "", proxies_, tls_.get());
    const net::Destination destination{endpoint,      path.proxy, path.proxy_authorization,
                                       path.pool_key, tls_.get(), settings_};
    const net::OutboundLimits limits{limits_.timeouts, net::Clock::now() + limits_.in_all};
    auto sending = net::send_outbound(loop_, destination, outbound(request, path), limits);
    auto answer = co_await std::move(sending);
    // The beginning of a secret at the end of what was cut would not be found.
    const bool may_be_shown = answer.whole || answer.status / 100 == 2;
    if (!may_be_shown)
        answer.body.clear();
    HttpReply reply{answer.status, std::move(answer.body), std::move(answer.retry_after)};
    if (reply.status == 0 && answer.failure)
        reply.error = describe(*answer.failure);
    hide_secrets(reply, request);
    co_return reply;
}

}  // namespace route::notify
