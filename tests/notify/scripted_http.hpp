#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/parse.hpp>
#include <deque>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "notify/channel.hpp"

namespace route::test {

/// Answers as the test says, in that order, and keeps what was asked.
class ScriptedHttp final : public notify::Http
{
  public:
    explicit ScriptedHttp(std::deque<notify::HttpReply> replies) : replies_{std::move(replies)} {}

    net::awaitable<notify::HttpReply> ask(const notify::HttpRequest& request) override
    {
        asked.push_back(request);
        if (replies_.empty())
            throw std::logic_error{"asked for more than the script has"};
        auto reply = std::move(replies_.front());
        replies_.pop_front();
        co_return reply;
    }

    std::vector<notify::HttpRequest> asked;

  private:
    std::deque<notify::HttpReply> replies_;
};

inline const SystemTime notice_time{std::chrono::seconds{1769860800}};  // 2026-01-31T12:00:00Z

inline notify::WebUrl web_url(std::string_view text)
{
    return *notify::parse_web_url(text);
}

inline notify::Delivery deliver(notify::Channel& channel, const notify::Message& message, notify::Http& http)
{
    boost::asio::io_context io;
    notify::Delivery delivery;
    const auto done = [&](const std::exception_ptr& thrown, notify::Delivery result) {
        if (thrown)
            std::rethrow_exception(thrown);
        delivery = std::move(result);
    };
    boost::asio::co_spawn(io.get_executor(), channel.deliver(message, http, notice_time), done);
    io.run();
    return delivery;
}

inline boost::json::value json_of(const std::string& text)
{
    return boost::json::parse(boost::json::string_view{text.data(), text.size()});
}

inline notify::Failure sample_failure(std::string subject = "gpt-4o", unsigned status = 502,
                                      std::string reason = "every upstream failed: a: HTTP status 500")
{
    notify::Failure failure;
    failure.ip = "1.2.3.4";
    failure.subject = std::move(subject);
    failure.status = status;
    failure.reason = std::move(reason);
    failure.request_id = "019c137f-2ee3-7000-8000-000000000001";
    failure.time = notice_time;
    return failure;
}

inline notify::Message sample_message()
{
    auto message = notify::tell_failure(sample_failure());
    message.id = "019c137f-2ee3-7000-8000-0000000000aa";
    message.node = "router-1";
    message.time = notice_time;
    return message;
}

}  // namespace route::test
