#include "notify/notifier.hpp"

#include <exception>
#include <utility>

#include "notify/failure_log.hpp"

namespace route::notify {

namespace {

/// What one event throws (no memory; a database's client that breaks its word) costs that event only.
template <class Step>
bool guarded(Step step) noexcept
{
    try {
        step();
        return true;
    } catch (const std::exception& error) {
        log_failure(error.what());
    }
    return false;
}

}  // namespace

Notifier::Notifier(net::Services& services, Options options)
    : services_{services}, options_{std::move(options)}
{
}

Notifier::~Notifier()
{
    stop(std::chrono::steady_clock::now());
}

void Notifier::configure(std::vector<ChannelPtr> channels, std::chrono::seconds window)
{
    {
        const std::lock_guard lock{mutex_};
        if (stopping_)
            return;
    }
    if (!channels.empty() && !sender_)
        start(window);
    const std::lock_guard lock{mutex_};
    active_ = !channels.empty();
    window_ = window;
    if (sender_)
        sender_->set_channels(std::move(channels));
}

void Notifier::start(std::chrono::seconds window)
{
    window_ = window;
    sender_ = std::make_unique<Sender>(services_, options_.retries, options_.hooks);
    thread_ = std::thread{[this] { run(); }};
}

void Notifier::finished(const Record& record)
{
    if (active_.load(std::memory_order_relaxed) && is_failure(record))
        put(failure_of(record));
}

void Notifier::recovered(const CooldownEnd& end)
{
    if (active_.load(std::memory_order_relaxed))
        put(end);
}

void Notifier::put(std::variant<Failure, CooldownEnd> what)
{
    {
        const std::lock_guard lock{mutex_};
        if (!active_ || stopping_)
            return;
        if (waiting_.size() >= most_waiting) {
            lost_ += std::holds_alternative<Failure>(what);
            return;
        }
        waiting_.push_back({std::move(what), Announcer::Clock::now()});
    }
    changed_.notify_one();
}

void Notifier::run() noexcept
{
    while (!guarded([this] { work(); }))
        std::this_thread::sleep_for(std::chrono::milliseconds{100});
    guarded([this] { announcer_->finish(Announcer::Clock::now()); });
}

void Notifier::begin()
{
    std::unique_ptr<Agreement> agreement;
    guarded([&] { agreement = options_.make_agreement ? options_.make_agreement() : nullptr; });
    const std::lock_guard lock{mutex_};
    auto announcer = std::make_unique<Announcer>(
        window_, [this](Message message) { send(std::move(message)); }, std::move(agreement));
    announcer->ask_unless([this] { return Announcer::Clock::now() >= ask_until_.load(); });
    announcer_ = std::move(announcer);
}

/// Until it is stopped; may be begun again after it threw.
void Notifier::work()
{
    if (!announcer_)
        begin();
    std::unique_lock lock{mutex_};
    for (;;) {
        const auto due = [this] { return stopping_ || !waiting_.empty() || lost_ > 0; };
        if (const auto next = announcer_->next(); next == Announcer::TimePoint::max())
            changed_.wait(lock, due);
        else
            changed_.wait_until(lock, next, due);
        const auto events = std::exchange(waiting_, {});
        announcer_->lost(std::exchange(lost_, 0), Announcer::Clock::now());
        announcer_->set_window(window_);
        const bool last = stopping_;
        lock.unlock();
        for (const auto& event : events)
            guarded([&] { handle(event); });
        if (last)
            break;
        guarded([this] { announcer_->tick(Announcer::Clock::now()); });
        lock.lock();
    }
}

void Notifier::handle(const Event& event)
{
    if (const auto* failure = std::get_if<Failure>(&event.what))
        announcer_->failed(*failure, event.when);
    else
        announcer_->recovered(std::get<CooldownEnd>(event.what));
}

void Notifier::send(Message message)
{
    stamp(message, options_.node);
    sender_->send(std::make_shared<const Message>(std::move(message)));
}

void Notifier::stop(std::chrono::steady_clock::time_point limit)
{
    {
        const std::lock_guard lock{mutex_};
        if (stopping_)
            return;
        stopping_ = true;
        active_ = false;
        // The other half is for sending what is told then.
        const auto now = Announcer::Clock::now();
        ask_until_ = now + std::max(limit - now, Announcer::Clock::duration{0}) / 2;
    }
    changed_.notify_one();
    if (thread_.joinable())
        thread_.join();
    if (sender_)
        sender_->stop(limit);
}

}  // namespace route::notify
