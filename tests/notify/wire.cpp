#include "tests/notify/wire.hpp"

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/deferred.hpp>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "core/net/waiting/wakeup.hpp"
#include "notify/feishu.hpp"
#include "notify/webhook.hpp"
#include "tests/notify/scripted_http.hpp"

namespace route::test {

namespace {

constexpr std::chrono::seconds patience{30};

}  // namespace

struct Wire::State
{
    mutable std::mutex mutex;
    mutable std::condition_variable changed;
    std::map<std::string, std::deque<Answer>> scripts;
    std::map<std::string, std::vector<notify::HttpRequest>> asked;
    std::map<std::pair<std::string, std::string>, std::size_t> results;
    std::size_t made = 0;
    bool released = false;
    std::vector<std::pair<net::EventLoop*, std::weak_ptr<net::Timer>>> held;

    Answer take(const notify::HttpRequest& request)
    {
        const std::lock_guard lock{mutex};
        const auto& host = request.url.endpoint.host;
        asked[host].push_back(request);
        changed.notify_all();
        auto& script = scripts[host];
        if (script.empty())
            return {};
        auto answer = script.front();
        if (script.size() > 1)
            script.pop_front();
        return answer;
    }

    /// Null: it was released before.
    std::shared_ptr<net::Timer> hold(net::EventLoop& loop)
    {
        const std::lock_guard lock{mutex};
        if (released)
            return nullptr;
        auto timer = std::make_shared<net::Timer>(loop.io, net::TimePoint::max());
        held.emplace_back(&loop, timer);
        return timer;
    }
};

namespace {

class WiredHttp final : public notify::Http
{
  public:
    WiredHttp(net::EventLoop& loop, std::shared_ptr<Wire::State> state)
        : loop_{loop}, state_{std::move(state)}
    {
    }

    net::awaitable<notify::HttpReply> ask(const notify::HttpRequest& request) override
    {
        auto answer = state_->take(request);
        if (answer.kind == Answer::Kind::throwing)
            throw std::runtime_error{"broken\nhttp"};
        if (answer.kind == Answer::Kind::never) {
            auto wait = silence_.wait();
            co_await std::move(wait);
        }
        if (answer.kind == Answer::Kind::held) {
            const auto timer = state_->hold(loop_);
            if (timer) {
                auto wait = timer->async_wait(boost::asio::as_tuple(boost::asio::deferred));
                co_await std::move(wait);
            }
        }
        co_return answer.reply;
    }

  private:
    net::EventLoop& loop_;
    net::Wakeup silence_;
    std::shared_ptr<Wire::State> state_;
};

}  // namespace

Wire::Wire() : state_{std::make_shared<State>()}
{
}

void Wire::script(const std::string& host, std::vector<Answer> answers)
{
    const std::lock_guard lock{state_->mutex};
    state_->scripts[host] = {answers.begin(), answers.end()};
}

void Wire::release()
{
    const std::lock_guard lock{state_->mutex};
    state_->released = true;
    for (auto& [loop, timer] : std::exchange(state_->held, {}))
        loop->post([timer = timer] {
            if (const auto waiting = timer.lock())
                waiting->cancel();
        });
}

bool Wire::wait(const std::function<bool()>& done) const
{
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!done()) {
        std::unique_lock lock{state_->mutex};
        // What came between the question and the lock is found after a moment.
        state_->changed.wait_for(lock, std::chrono::milliseconds{20});
        if (std::chrono::steady_clock::now() > end)
            return false;
    }
    return true;
}

bool Wire::wait_for_requests(const std::string& host, std::size_t count) const
{
    return wait([&] { return asked(host).size() >= count; });
}

bool Wire::wait_for_results(const std::string& channel, const std::string& result, std::size_t count) const
{
    return wait([&] { return results(channel, result) >= count; });
}

std::vector<notify::HttpRequest> Wire::asked(const std::string& host) const
{
    const std::lock_guard lock{state_->mutex};
    return state_->asked[host];
}

std::size_t Wire::results(const std::string& channel, const std::string& result) const
{
    const std::lock_guard lock{state_->mutex};
    return state_->results[{channel, result}];
}

std::size_t Wire::made() const
{
    const std::lock_guard lock{state_->mutex};
    return state_->made;
}

notify::Sender::Hooks Wire::hooks()
{
    notify::Sender::Hooks hooks;
    hooks.on_result = [state = state_](std::string_view channel, std::string_view result) {
        const std::lock_guard lock{state->mutex};
        ++state->results[{std::string{channel}, std::string{result}}];
        state->changed.notify_all();
    };
    hooks.make_http = [state = state_](net::EventLoop& loop) {
        const std::lock_guard lock{state->mutex};
        ++state->made;
        return std::make_unique<WiredHttp>(loop, state);
    };
    return hooks;
}

struct LogCapture::State
{
    std::ostringstream out;
    std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
};

LogCapture::LogCapture() : state_{std::make_unique<State>()}
{
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(state_->out);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("captured", std::move(sink)));
}

LogCapture::~LogCapture()
{
    spdlog::set_default_logger(state_->before);
}

std::string LogCapture::text() const
{
    return state_->out.str();
}

notify::ChannelPtr webhook_at(const std::string& host, const std::string& body)
{
    return std::make_shared<notify::Webhook>(web_url("http://" + host + "/hook"), body);
}

notify::ChannelPtr feishu_at(const std::string& host)
{
    return std::make_shared<notify::Feishu>(web_url("http://" + host + "/hook"), "");
}

notify::MessagePtr message_with_id(std::string id)
{
    auto message = sample_message();
    message.id = std::move(id);
    return std::make_shared<const notify::Message>(std::move(message));
}

}  // namespace route::test
