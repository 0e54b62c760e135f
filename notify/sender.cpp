#include "notify/sender.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <deque>
#include <exception>
#include <utility>

#include "core/net/waiting/wakeup.hpp"
#include "core/text.hpp"
#include "notify/failure_log.hpp"
#include "notify/network_http.hpp"

namespace route::notify {

namespace {

using std::chrono::milliseconds;

net::RoutingTablePtr no_upstreams()
{
    return std::make_shared<const net::RoutingTable>();
}

}  // namespace

/// One channel's queue and the coroutine that empties it. On the loop's thread.
class Sender::Worker
{
  public:
    Worker(Sender& sender, std::string name)
        : sender_{sender}, name_{std::move(name)}, pause_{sender.loop_.io}
    {
    }

    /// None: what waits is dropped.
    void set_channel(ChannelPtr channel)
    {
        channel_ = std::move(channel);
        if (!channel_)
            drop_all("dropped");
        pause_.cancel();  // another channel may take at once what this one did not
    }

    void add(MessagePtr message)
    {
        if (!channel_)
            return;
        if (waiting_.size() >= most_waiting) {
            waiting_.pop_front();
            result("dropped");
        }
        waiting_.push_back(std::move(message));
        arrived_.notify();
    }

    /// Ends pauses and, once nothing waits, run().
    void hurry()
    {
        pause_.cancel();
        arrived_.notify();
    }

    /// How many.
    std::size_t drop_all(std::string_view why)
    {
        const auto count = waiting_.size();
        for (; !waiting_.empty(); waiting_.pop_front())
            result(why);
        return count;
    }

    /// What did not end by itself when it was told to: run() is not resumed any more.
    void abandon()
    {
        if (std::exchange(bringing_, false))
            result("failed");
    }

    net::awaitable<void> run();

  private:
    net::awaitable<void> bring(MessagePtr message);
    net::awaitable<void> pause(milliseconds time);
    void result(std::string_view what);

    Sender& sender_;
    std::string name_;
    ChannelPtr channel_;
    std::deque<MessagePtr> waiting_;
    bool bringing_ = false;  ///< a message that is not among those that wait any more
    net::Wakeup arrived_;
    net::Timer pause_;
};

net::awaitable<void> Sender::Worker::run()
{
    for (;;) {
        if (waiting_.empty()) {
            if (sender_.stopping_)
                break;
            auto arrived = arrived_.wait();
            co_await std::move(arrived);
            continue;
        }
        auto message = std::move(waiting_.front());
        waiting_.pop_front();
        bringing_ = true;
        co_await bring(std::move(message));
        bringing_ = false;
    }
}

void Sender::Worker::result(std::string_view what)
{
    if (!sender_.hooks_.on_result)
        return;
    try {
        sender_.hooks_.on_result(name_, what);
    } catch (const std::exception& error) {
        log_failure(error.what());
    }
}

/// Tries until the channel has taken it or it is given up.
net::awaitable<void> Sender::Worker::bring(MessagePtr message)
{
    const auto begin = Clock::now();
    for (unsigned tries = 1;; ++tries) {
        const auto channel = channel_;  // another may take its place meanwhile
        if (!channel) {
            result("dropped");
            co_return;
        }
        Delivery delivery;
        try {
            auto delivering = channel->deliver(*message, *sender_.http_, std::chrono::system_clock::now());
            delivery = co_await std::move(delivering);
        } catch (const std::exception& error) {
            delivery = {Delivery::Result::refused, escape_for_log(error.what())};
        }
        if (delivery.result == Delivery::Result::ok) {
            result("ok");
            co_return;
        }
        std::optional<milliseconds> wait;
        if (delivery.result == Delivery::Result::retry && !sender_.stopping_) {
            const auto since = std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
            constexpr double steps = 1u << 16;
            const auto random = static_cast<double>(sender_.loop_.random() % (1u << 16)) / steps;
            wait = wait_before_next(sender_.retries_, tries, since, delivery.wait, random);
        }
        if (!wait) {
            spdlog::warn("message to {} given up after {} {}: {}", name_, tries, tries == 1 ? "try" : "tries",
                         delivery.detail);
            result("failed");
            co_return;
        }
        spdlog::info("message to {} not sent: {}; it is tried again in {:.1f} s", name_, delivery.detail,
                     std::chrono::duration<double>{*wait}.count());
        co_await pause(*wait);
    }
}

net::awaitable<void> Sender::Worker::pause(milliseconds time)
{
    if (sender_.stopping_)
        co_return;
    pause_.expires_after(time);
    // A tuple holds the error instead of its being thrown: a pause that is cancelled is over as well.
    auto passed = pause_.async_wait(net::no_throw);
    co_await std::move(passed);
}

Sender::Sender(net::Services& services, Retries retries, Hooks hooks)
    : retries_{retries},
      hooks_{std::move(hooks)},
      loop_{services, no_upstreams()},
      work_{loop_.io.get_executor()},
      http_{hooks_.make_http ? hooks_.make_http(loop_)
                             : std::make_unique<NetworkHttp>(loop_, net::EnvironmentProxies{})},
      limit_{loop_.io},
      thread_{[this] { run(); }}
{
}

Sender::~Sender()
{
    stop(Clock::now());
}

void Sender::set_channels(std::vector<ChannelPtr> channels)
{
    loop_.post([this, channels = std::move(channels)] {
        for (auto& [name, worker] : workers_) {
            const std::string_view its_name = name;
            const auto same =
                std::find_if(channels.begin(), channels.end(),
                             [its_name](const ChannelPtr& channel) { return channel->name() == its_name; });
            worker->set_channel(same == channels.end() ? nullptr : *same);
        }
        for (const auto& channel : channels) {
            const std::string name{channel->name()};
            if (workers_.count(name) > 0 || stopping_)
                continue;
            auto& worker = workers_[name] = std::make_unique<Worker>(*this, name);
            worker->set_channel(channel);
            ++running_;
            loop_.spawn(worker->run(), [this, name](const std::exception_ptr& thrown) {
                if (thrown)
                    spdlog::error("messages to {} end: there is no memory", name);
                worker_ended();
            });
        }
    });
}

void Sender::send(MessagePtr message)
{
    loop_.post([this, message = std::move(message)] {
        for (auto& [name, worker] : workers_)
            worker->add(message);
    });
}

void Sender::stop(Clock::time_point limit)
{
    if (!thread_.joinable())
        return;
    loop_.post([this, limit] { begin_stop(limit); });
    thread_.join();
}

void Sender::run()
{
    // What one handler throws ends neither the others nor the program.
    const auto guarded = [this](auto step) {
        for (;;) {
            try {
                return step(loop_.io);
            } catch (const std::exception& error) {
                log_failure(error.what());
            }
        }
    };
    guarded([](auto& io) { io.run(); });
    // What was told to stop does so now; what does not will not be waited for.
    loop_.io.restart();
    guarded([](auto& io) { io.poll(); });
    for (auto& [name, worker] : workers_)
        worker->abandon();
}

void Sender::begin_stop(Clock::time_point limit)
{
    stopping_ = true;
    limit_.expires_at(limit);
    limit_.async_wait([this](const boost::system::error_code& cancelled) {
        if (!cancelled)
            give_up();
    });
    for (auto& [name, worker] : workers_)
        worker->hurry();
    if (running_ == 0)
        end();
}

void Sender::give_up()
{
    for (auto& [name, worker] : workers_)
        if (const auto count = worker->drop_all("failed"); count > 0)
            spdlog::warn("messages to {} given up, for the program ends: {}", name, count);
    end();
}

void Sender::worker_ended()
{
    if (--running_ == 0 && stopping_)
        end();
}

void Sender::end()
{
    if (std::exchange(ended_, true))
        return;
    limit_.cancel();
    loop_.io.stop();  // called out of an event of the poller, which would wait for the next one
    loop_.stop();     // requests that are under way, and so the workers
}

}  // namespace route::notify
