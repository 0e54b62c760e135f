#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/loop/services.hpp"
#include "notify/sender.hpp"

namespace route::test {

/// What a host answers to one request.
struct Answer
{
    enum class Kind
    {
        reply,
        held,      ///< the reply comes when the test releases it
        never,     ///< nothing comes, and nothing ends the wait
        throwing,  ///< breaks the contract of Http
    };
    notify::HttpReply reply = {200, "ok"};
    Kind kind = Kind::reply;
};

/// The network of a Sender: scripted by host, the last answer of a script again and again. It keeps what was
/// asked and what became of messages, and tells the test of it. Any thread; lives as long as the Sender.
class Wire
{
  public:
    Wire();

    void script(const std::string& host, std::vector<Answer> answers);
    /// Held replies come now, and those that would be held from now on at once.
    void release();

    /// Waits until `done`, which is asked again whenever something happened. False when that takes too long.
    bool wait(const std::function<bool()>& done) const;
    bool wait_for_requests(const std::string& host, std::size_t count) const;
    bool wait_for_results(const std::string& channel, const std::string& result, std::size_t count) const;

    std::vector<notify::HttpRequest> asked(const std::string& host) const;
    std::size_t results(const std::string& channel, const std::string& result) const;
    std::size_t made() const;  ///< how many Https

    notify::Sender::Hooks hooks();

    struct State;

  private:
    std::shared_ptr<State> state_;
};

/// For an event loop that serves nobody.
class NobodysServices
{
  public:
    explicit NobodysServices(net::LookUp look_up = &net::look_up_with_system)
        : services{sink_, std::move(look_up)}
    {
    }

  private:
    struct Sink final : RecordSink
    {
        void take(std::unique_ptr<QueuedRecord>) override {}
        bool has_room() const override { return true; }
        void dropped(std::unique_ptr<QueuedRecord>) override {}
    };
    Sink sink_;

  public:
    net::Services services;
};

/// What spdlog says while it lives.
class LogCapture
{
  public:
    LogCapture();
    ~LogCapture();
    LogCapture(const LogCapture&) = delete;
    LogCapture& operator=(const LogCapture&) = delete;

    std::string text() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

notify::ChannelPtr webhook_at(const std::string& host, const std::string& body = {});
notify::ChannelPtr feishu_at(const std::string& host);
notify::MessagePtr message_with_id(std::string id);

}  // namespace route::test
