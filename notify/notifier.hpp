#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "notify/announcer.hpp"
#include "notify/sender.hpp"

namespace route::notify {

/// Tells people of requests that fail and of upstreams that come back (SPEC 8). What is told is decided on a
/// thread of its own, sent on another. Without channels there are neither, and nothing is kept.
class Notifier
{
  public:
    /// Events that wait to be looked at; of more only the number is known.
    static constexpr std::size_t most_waiting = 10'000;

    struct Options
    {
        std::string node;
        Retries retries = {};
        Sender::Hooks hooks = {};
        /// Asked once, on the notifier's thread; null: this router is the only one.
        std::function<std::unique_ptr<Agreement>()> make_agreement = {};
    };

    /// `services` outlive it.
    Notifier(net::Services& services, Options options);
    ~Notifier();
    Notifier(const Notifier&) = delete;
    Notifier& operator=(const Notifier&) = delete;

    /// The channels and the window from now on; not on several threads at once.
    void configure(std::vector<ChannelPtr> channels, std::chrono::seconds window);

    /// Of a completed record; does nothing for one that is no failure. Any thread; waits for nobody.
    void finished(const Record& record);
    void recovered(const CooldownEnd& end);

    /// Tells what was counted so far; what is not sent by `limit` is given up. No events are taken from then
    /// on. Returns by `limit`, or when the agreement has given its last answer.
    void stop(std::chrono::steady_clock::time_point limit);

  private:
    struct Event
    {
        std::variant<Failure, CooldownEnd> what;
        Announcer::TimePoint when;  ///< it came: it may have to wait for an answer to one before it
    };

    void start(std::chrono::seconds window);
    void put(std::variant<Failure, CooldownEnd> what);
    void run() noexcept;
    void begin();
    void work();
    void handle(const Event& event);
    void send(Message message);

    net::Services& services_;
    Options options_;
    std::unique_ptr<Sender> sender_;
    std::unique_ptr<Announcer> announcer_;  ///< on the notifier's thread only

    std::mutex mutex_;  ///< of all below
    std::condition_variable changed_;
    std::deque<Event> waiting_;
    std::uint64_t lost_ = 0;  ///< failures
    std::chrono::seconds window_{60};
    std::atomic<bool> active_ = false;  ///< there is a channel; changed under the lock
    bool stopping_ = false;
    std::atomic<Announcer::TimePoint> ask_until_{Announcer::TimePoint::max()};  ///< the program ends
    std::thread thread_;
};

}  // namespace route::notify
