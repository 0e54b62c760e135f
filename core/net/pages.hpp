#pragma once

#include <optional>

#include "core/net/client_reply.hpp"

namespace route::net {

/// Whether a request is for none of the upstreams.
bool is_page(const Request& request, const RoutingTable& table);

/// What the router answers itself: health, readiness, metrics, CORS preflights. Leaves no record.
class Pages
{
  public:
    /// All outlive it.
    Pages(EventLoop& loop, const RoutingTable& table, const Request& request, ClientReply& reply);

    /// Whether the page is shown to clients with a valid key only.
    bool needs_key() const;

    /// Answers; or gives the error of a path that is none of the router's.
    awaitable<std::optional<RouterError>> answer();

  private:
    awaitable<void> send(OwnReply reply);
    awaitable<void> answer_preflight();
    awaitable<void> answer_metrics();
    awaitable<void> answer_readiness();
    bool is_metrics() const;

    EventLoop& loop_;
    const RoutingTable& table_;
    const Request& request_;
    ClientReply& reply_;
};

}  // namespace route::net
