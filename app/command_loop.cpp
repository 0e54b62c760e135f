#include "app/command_loop.hpp"

#include <csignal>
#include <exception>
#include <utility>

namespace route {
namespace {

/// There is no request of a client, so nothing to record.
class NoRecords final : public RecordSink
{
  public:
    void take(std::unique_ptr<QueuedRecord>) override {}
    bool has_room() const override { return true; }
    void dropped(std::unique_ptr<QueuedRecord>) override {}
};

}  // namespace

CommandLoop::CommandLoop(net::RoutingTablePtr table)
    : sigpipe_before_{std::signal(SIGPIPE, SIG_IGN)},
      no_records_{std::make_unique<NoRecords>()},
      services_{*no_records_},
      loop_{services_, std::move(table)}
{
}

CommandLoop::~CommandLoop()
{
    std::signal(SIGPIPE, sigpipe_before_);
}

void CommandLoop::run(net::awaitable<void> work)
{
    const auto done = [this](const std::exception_ptr& thrown) {
        // Posted, as stopping always is: the loop may be in the middle of an event.
        loop_.post([this] { loop_.stop(); });
        if (thrown)
            std::rethrow_exception(thrown);
    };
    loop_.spawn(std::move(work), done);
    loop_.run();
}

}  // namespace route
