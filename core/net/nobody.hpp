#pragma once

#include "core/net/http/client.hpp"

namespace route::net {

/// Whom an attempt is made for while somebody else looks after the client: it never goes.
class Nobody final : public Requester
{
  public:
    explicit Nobody(EventLoop& loop) : timer_{loop.io.get_executor()} {}
    awaitable<void> gone() override;

  private:
    Timer timer_;
};

}  // namespace route::net
