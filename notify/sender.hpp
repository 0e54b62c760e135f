#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "core/net/loop/event_loop.hpp"
#include "notify/backoff.hpp"
#include "notify/channel.hpp"

namespace route::notify {

using MessagePtr = std::shared_ptr<const Message>;

/// Brings messages to the channels, on a thread and an event loop of its own. Each channel has a bounded
/// queue and its own pace: one that is away does not hold the others up.
class Sender
{
  public:
    using Clock = std::chrono::steady_clock;

    /// Messages that wait for one channel; of more the oldest are dropped.
    static constexpr std::size_t most_waiting = 100;

    struct Hooks
    {
        /// What became of a message ("ok", "failed", "dropped"); on the sender's thread.
        std::function<void(std::string_view channel, std::string_view result)> on_result = {};
        /// How requests are sent; by default over the network, by no proxy.
        std::function<std::unique_ptr<Http>(net::EventLoop&)> make_http = {};
    };

    /// `services` outlive it.
    Sender(net::Services& services, Retries retries, Hooks hooks);
    ~Sender();
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;

    /// The channels from now on; what waits for one that has the same name stays, and is tried at once. Any
    /// thread.
    void set_channels(std::vector<ChannelPtr> channels);

    /// To every channel. Any thread; never waits.
    void send(MessagePtr message);

    /// What waits is tried once more, without pauses; what is not sent by `limit` is given up, whatever it
    /// waits for. Returns when the thread has ended.
    void stop(Clock::time_point limit);

  private:
    class Worker;

    void run();
    void begin_stop(Clock::time_point limit);
    void give_up();
    void worker_ended();
    void end();

    Retries retries_;
    Hooks hooks_;
    net::EventLoop loop_;
    net::WorkGuard work_;
    std::unique_ptr<Http> http_;
    std::map<std::string, std::unique_ptr<Worker>, std::less<>> workers_;  ///< on the loop's thread only
    net::Timer limit_;
    std::size_t running_ = 0;  ///< workers whose coroutine has not ended
    bool stopping_ = false;
    bool ended_ = false;
    std::thread thread_;
};

}  // namespace route::notify
