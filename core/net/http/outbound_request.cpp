#include "core/net/http/outbound_request.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <utility>

#include "core/net/http/http_client.hpp"

namespace route::net {

namespace {

constexpr std::size_t most_body = 64u << 10;

/// One request and its response, raced against time and against the end of the loop.
class Asking final : public Stoppable
{
  public:
    Asking(EventLoop& loop, const Destination& destination, OutboundRequest request, OutboundLimits limits)
        : http_{loop, destination, {}},
          request_{std::move(request)},
          limits_{limits},
          timer_{loop.io.get_executor()},
          begin_{Clock::now()},
          stopped_{loop.stopped()}
    {
        loop.sessions.push_back(*this);
    }

    awaitable<OutboundReply> run()
    {
        using namespace asio::experimental::awaitable_operators;
        auto answer = response();
        auto late = out_of_time();
        auto race = std::move(answer) || std::move(late);
        auto first = co_await std::move(race);
        if (broken_)
            std::rethrow_exception(broken_);
        std::optional<AttemptFailure> failure;
        if (first.index() == 0)
            failure = std::get<0>(std::move(first));
        else if (stopped_ || Clock::now() < body_end_)
            failure = http_.failed(stopped_ ? Cause::stopped : Cause::timeout);
        if (failure)
            fail(*std::move(failure));
        reply_.elapsed = Clock::now() - begin_;
        co_return std::move(reply_);
    }

    void drain() override {}
    void stop() override
    {
        stopped_ = true;
        timer_.cancel();
    }

  private:
    using Step = HttpClient::Step;

    bool succeeds() const { return http_.has_head() && http_.reply().status() / 100 == 2; }

    /// Of a response that does not succeed the status stands, whatever became of its body.
    void fail(AttemptFailure failure)
    {
        if (reply_.status != 0 && !succeeds())
            return;
        reply_.status = 0;
        reply_.body.clear();
        reply_.failure = std::move(failure);
    }

    /// Connects, sends, reads head and body. Once it has lost the race nobody hears its answer, and its next
    /// wait throws; any other exception goes to run(): `||` would wait for the timer.
    awaitable<std::optional<AttemptFailure>> response()
    {
        std::optional<AttemptFailure> failure;
        try {
            const bool answered = co_await head();
            bool whole = answered;
            if (answered && http_.has_head())
                whole = co_await body();
            if (!whole)
                failure = http_.failure();
        } catch (const boost::system::system_error& error) {
            if (error.code() != asio::error::operation_aborted)
                broken_ = std::current_exception();
        } catch (...) {
            broken_ = std::current_exception();
        }
        co_return failure;
    }

    awaitable<bool> head()
    {
        for (bool replaced = false;; replaced = true) {
            bool connected = !replaced && http_.take_pooled();
            if (!connected) {
                limit_to(limits_.timeouts.connect);
                connected = co_await http_.connect(limit_);
            }
            if (connected) {
                limit_to(limits_.timeouts.head);
                const bool sent = http_.send(std::array<std::string_view, 2>{request_.head, request_.body});
                if (!sent)
                    co_await http_.send_rest();
                http_.end_sending(request_.body.size());
                auto step = http_.read_head();
                while (step == Step::wait) {
                    auto readable = http_.readable();
                    const auto ended = co_await std::move(readable);
                    if (std::get<0>(ended))
                        co_return true;  // lost the race
                    step = http_.read_head();
                }
                if (step == Step::done)
                    co_return true;
            }
            if (!replace_connection(http_.failure(), http_.reused(), replaced))
                co_return false;
            http_.reset();
        }
    }

    awaitable<bool> body()
    {
        const auto& fields = http_.reply().fields();
        reply_.status = http_.reply().status();
        reply_.content_type = find_field(fields, http::field::content_type);
        reply_.content_encoding = find_field(fields, http::field::content_encoding);
        reply_.retry_after = find_field(fields, http::field::retry_after);
        http_.enter(Phase::relay_body);
        if (limits_.body) {
            body_end_ = Clock::now() + ticks(*limits_.body);
            timer_.cancel();
        }
        limit_to(limits_.timeouts.idle);
        keep(http_.payload());
        while (!http_.complete() && reply_.body.size() < most_body) {
            auto step = http_.read_body();
            while (step == Step::wait) {
                limit_to(limits_.timeouts.idle);
                auto readable = http_.readable();
                const auto ended = co_await std::move(readable);
                if (std::get<0>(ended))
                    co_return true;  // lost the race
                step = http_.read_body();
            }
            if (step == Step::failed)
                co_return false;
            keep(http_.payload());
        }
        reply_.whole = http_.complete() && reply_.body.size() < most_body;
        if (http_.complete())
            http_.release();
        co_return true;
    }

    void keep(std::string_view bytes)
    {
        reply_.body += bytes.substr(0, most_body - std::min(most_body, reply_.body.size()));
    }

    /// Ends when what is waited for has not come in time, or the loop stops.
    awaitable<void> out_of_time()
    {
        while (!stopped_) {
            const auto limit = std::min({limit_, limits_.total, body_end_});
            if (Clock::now() >= limit)
                co_return;
            timer_.expires_at(limit);
            auto passed = timer_.async_wait(no_throw);
            co_await std::move(passed);
            const auto state = co_await asio::this_coro::cancellation_state;
            if (state.cancelled() != asio::cancellation_type::none)
                co_return;  // lost the race
        }
    }

    void limit_to(Seconds wait)
    {
        const auto before = std::exchange(limit_, Clock::now() + ticks(wait));
        if (limit_ < before)
            timer_.cancel();
    }

    HttpClient http_;
    const OutboundRequest request_;
    const OutboundLimits limits_;
    Timer timer_;
    const TimePoint begin_;
    TimePoint limit_ = TimePoint::max();     ///< of what it waits for now
    TimePoint body_end_ = TimePoint::max();  ///< of reading the body
    OutboundReply reply_;
    std::exception_ptr broken_;
    bool stopped_;
};

}  // namespace

awaitable<OutboundReply> send_outbound(EventLoop& loop, Destination destination, OutboundRequest request,
                                       OutboundLimits limits)
{
    Asking asking{loop, destination, std::move(request), limits};
    auto run = asking.run();
    auto reply = co_await std::move(run);
    co_return reply;
}

}  // namespace route::net
