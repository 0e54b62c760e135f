#include "core/net/reply_rest.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <utility>

namespace route::net {

namespace {

/// Reading, raced against time.
class Rest
{
  public:
    using Take = std::function<bool(std::string_view)>;

    Rest(EventLoop& loop, Attempt& attempt, RestLimits limits, const Take& take)
        : attempt_{attempt}, limits_{limits}, take_{take}, timer_{loop.io.get_executor()}
    {
    }

    awaitable<std::optional<AttemptFailure>> run()
    {
        using namespace asio::experimental::awaitable_operators;
        auto reading = guarded_read();
        auto late = out_of_time();
        auto race = std::move(reading) || std::move(late);
        auto first = co_await std::move(race);
        if (broken_)
            std::rethrow_exception(broken_);
        std::optional<AttemptFailure> failure;
        if (first.index() == 0)
            failure = std::get<0>(std::move(first));
        else
            failure = attempt_.failed(Cause::timeout);
        co_return failure;
    }

    bool whole() const { return attempt_.complete() && wanted_; }

  private:
    /// Once it has lost the race its next wait throws. `||` would wait for the timer if it threw itself.
    awaitable<std::optional<AttemptFailure>> guarded_read()
    {
        std::optional<AttemptFailure> failure;
        try {
            auto reading = read();
            failure = co_await std::move(reading);
        } catch (const boost::system::system_error& error) {
            if (error.code() != asio::error::operation_aborted)
                broken_ = std::current_exception();
        } catch (...) {
            broken_ = std::current_exception();
        }
        co_return failure;
    }

    awaitable<std::optional<AttemptFailure>> read()
    {
        last_ = Clock::now();
        wanted_ = take_(attempt_.pending());
        attempt_.drop_pending();
        while (wanted_ && !attempt_.complete()) {
            auto step = attempt_.read();
            while (step == HttpClient::Step::wait) {
                auto readable = attempt_.readable();
                const auto ended = co_await std::move(readable);
                if (std::get<0>(ended))
                    co_return std::nullopt;  // lost the race
                step = attempt_.read();
            }
            if (step == HttpClient::Step::failed)
                co_return attempt_.read_failure();
            last_ = Clock::now();
            wanted_ = take_(attempt_.payload());
        }
        co_return std::nullopt;
    }

    awaitable<void> out_of_time()
    {
        for (;;) {
            const auto silence = limits_.idle > Seconds{0} ? last_ + ticks(limits_.idle) : TimePoint::max();
            const auto limit = std::min(limits_.until, silence);
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

    Attempt& attempt_;
    const RestLimits limits_;
    const Take& take_;
    Timer timer_;
    TimePoint last_ = Clock::now();  ///< when something came
    bool wanted_ = true;
    std::exception_ptr broken_;
};

}  // namespace

awaitable<std::optional<AttemptFailure>> read_rest(EventLoop& loop, Attempt& attempt, RestLimits limits,
                                                   const std::function<bool(std::string_view)>& take)
{
    Rest rest{loop, attempt, limits, take};
    auto running = rest.run();
    auto failure = co_await std::move(running);
    if (rest.whole())
        attempt.release();
    else
        attempt.give_up();
    co_return failure;
}

}  // namespace route::net
