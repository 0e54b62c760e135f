#pragma once

#include <memory>

#include "core/net/loop/event_loop.hpp"

namespace route {

/// An event loop for what a command asks over the network, on the caller's thread. While there is one,
/// writing to a connection that the other side has closed is an error and not the end of the process.
class CommandLoop
{
  public:
    explicit CommandLoop(net::RoutingTablePtr table);
    ~CommandLoop();
    CommandLoop(const CommandLoop&) = delete;
    CommandLoop& operator=(const CommandLoop&) = delete;

    net::EventLoop& loop() { return loop_; }

    /// Until `work` has ended; what it throws comes out here. Once.
    void run(net::awaitable<void> work);

  private:
    void (*sigpipe_before_)(int);
    std::unique_ptr<RecordSink> no_records_;
    net::Services services_;
    net::EventLoop loop_;
};

}  // namespace route
