#include "core/net/single_try.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <exception>
#include <utility>

#include "core/net/nobody.hpp"
#include "core/net/reply_rest.hpp"

namespace route::net {

namespace {

/// The one attempt, and what of it is for the record.
awaitable<void> try_and_read(EventLoop& loop, const RoutingTable& table, const Upstream& upstream,
                             const OutgoingRequest& request, Record& record)
{
    const TimeoutFacts facts{request.facts.stream, request.body.size(), true};
    const auto timeouts = attempt_timeouts(table.settings.timeouts, facts, upstream);
    Nobody nobody{loop};
    Attempt attempt{loop, table, upstream, request, {timeouts}, nobody, record.reply, 1};
    auto running = attempt.run();
    auto failure = co_await std::move(running);
    if (!failure) {
        const std::function<bool(std::string_view)> all = [](std::string_view) { return true; };
        const RestLimits limits{TimePoint::max(), timeouts.idle};
        auto reading = read_rest(loop, attempt, limits, all);
        failure = co_await std::move(reading);
        if (!failure)
            failure = attempt.error_inside();
    } else if (attempt.kept_whole()) {
        attempt.begin_record();
        auto recording = attempt.record_held();
        co_await std::move(recording);
    }
    auto& recorder = attempt.recorder();
    recorder.finish();
    record.response_bytes = recorder.bytes();
    record.elapsed_time = Clock::now() - attempt.started();
    if (attempt.first_byte())
        record.response_time = *attempt.first_byte() - attempt.started();
    auto& tried = record.attempts.emplace_back();
    if (failure) {
        tried.outcome = outcome_of(*failure);
        tried.error = describe(*failure);
        tried.status = failure->phase == Phase::proxy ? std::nullopt : failure->status;
    } else {
        tried.status = attempt.reply().status();
    }
}

/// Ends the wait when the loop is told to stop.
class StopOfLoop final : public Stoppable
{
  public:
    explicit StopOfLoop(EventLoop& loop) : timer_{loop.io.get_executor()}, requested_{loop.stopped()}
    {
        loop.sessions.push_back(*this);
    }
    void drain() override {}
    void stop() override
    {
        requested_ = true;
        timer_.cancel();
    }
    awaitable<void> requested()
    {
        timer_.expires_at(requested_ ? TimePoint::min() : TimePoint::max());
        auto waiting = timer_.async_wait(no_throw);
        co_await std::move(waiting);
    }

  private:
    Timer timer_;
    bool requested_;
};

/// `||` would wait for the stop if something were thrown.
awaitable<void> guarded_sending(awaitable<void> sending, std::exception_ptr& broken)
{
    try {
        co_await std::move(sending);
    } catch (...) {
        broken = std::current_exception();
    }
}

awaitable<void> send_unless_stopped(EventLoop& loop, awaitable<void> sending)
{
    using namespace asio::experimental::awaitable_operators;
    std::exception_ptr broken;
    StopOfLoop stop{loop};
    auto sent = guarded_sending(std::move(sending), broken);
    auto stopped = stop.requested();
    auto race = std::move(sent) || std::move(stopped);
    const auto first = co_await std::move(race);
    if (broken && first.index() == 0)
        std::rethrow_exception(broken);
}

}  // namespace

awaitable<void> try_once(EventLoop& loop, const RoutingTable& table, const Upstream& upstream,
                         const OutgoingRequest& request, Record& record)
{
    auto trying = try_and_read(loop, table, upstream, request, record);
    auto ending = send_unless_stopped(loop, std::move(trying));
    co_await std::move(ending);
}

}  // namespace route::net
