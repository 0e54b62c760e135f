#include "app/log/log_queue.hpp"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

namespace route {

namespace {

/// So much waiting is written without a wake().
constexpr std::size_t many = 64u << 10;

std::uint64_t lines_in(std::string_view text)
{
    return static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

/// All of `text`, however long that takes; how many bytes, fewer when nobody can take them any more.
std::size_t write_all(int descriptor, std::string_view text)
{
    std::size_t written = 0;
    while (written < text.size()) {
        const auto count = ::write(descriptor, text.data() + written, text.size() - written);
        if (count >= 0) {
            written += static_cast<std::size_t>(count);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            pollfd waited{descriptor, POLLOUT, 0};  // it may be shared with one who made it non-blocking
            ::poll(&waited, 1, -1);
        } else if (errno != EINTR) {
            break;
        }
    }
    return written;
}

}  // namespace

struct LogQueue::State
{
    const int descriptor;
    const DropNotice notice;
    const std::size_t bound;

    // Never held while something is written.
    std::mutex mutex;
    std::condition_variable changed;
    std::string waiting;
    std::uint64_t appended = 0;  ///< bytes, since the beginning
    std::uint64_t done = 0;      ///< of these: written, or given up
    bool wake = false;
    bool ending = false;
    std::atomic<std::uint64_t> dropped{0};

    void run();
    std::uint64_t add_notice(std::string& batch, std::uint64_t told) const;
};

LogQueue::LogQueue(int descriptor, DropNotice notice, std::size_t bound)
    : state_{std::make_shared<State>(descriptor, std::move(notice), bound)}
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread{[state = state_] { state->run(); }}.detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

LogQueue::~LogQueue()
{
    const std::lock_guard lock{state_->mutex};
    state_->ending = true;
    state_->changed.notify_all();
}

void LogQueue::append(std::string_view lines) noexcept
{
    auto& state = *state_;
    bool enough = false;
    try {
        const std::lock_guard lock{state.mutex};
        if (state.appended - state.done + lines.size() > state.bound) {
            state.dropped += lines_in(lines);
            return;
        }
        state.waiting.append(lines);
        state.appended += lines.size();
        enough = state.waiting.size() >= many && !std::exchange(state.wake, true);
    } catch (const std::exception&) {
        state.dropped += lines_in(lines);  // there is no memory for them
    }
    if (enough)
        state.changed.notify_all();
}

void LogQueue::wake() noexcept
{
    {
        const std::lock_guard lock{state_->mutex};
        if (state_->waiting.empty() || std::exchange(state_->wake, true))
            return;
    }
    state_->changed.notify_all();
}

bool LogQueue::flush(std::chrono::milliseconds longest) noexcept
{
    wake();
    std::unique_lock lock{state_->mutex};
    const auto until = state_->appended;
    return state_->changed.wait_for(lock, longest, [&] { return state_->done >= until; });
}

void LogQueue::count_dropped() noexcept
{
    ++state_->dropped;
}

std::uint64_t LogQueue::dropped() const noexcept
{
    return state_->dropped;
}

/// How many it tells of with those of which one has `told`.
std::uint64_t LogQueue::State::add_notice(std::string& batch, std::uint64_t told) const
{
    const std::uint64_t lost = dropped;
    if (lost == told)
        return told;
    try {
        batch += notice(lost - told);
        return lost;
    } catch (const std::exception&) {
        return told;  // no memory: it is said the next time
    }
}

void LogQueue::State::run()
{
    std::string batch;
    std::uint64_t told = 0;
    std::unique_lock lock{mutex};
    for (;;) {
        changed.wait(lock, [&] { return wake || ending; });
        if (ending && waiting.empty())
            return;
        wake = false;
        batch.swap(waiting);
        lock.unlock();
        const auto size = batch.size();
        const auto tells = add_notice(batch, told);
        const auto written = write_all(descriptor, batch);
        const bool whole = written == batch.size();
        if (whole)
            told = tells;
        // A notice that was not written is no line that was lost: it comes again.
        dropped += lines_in(std::string_view{batch}.substr(0, size).substr(std::min(written, size)));
        batch.clear();
        lock.lock();
        done += size;
        // What was dropped meanwhile is said now, and not with a next line that may be long in coming.
        wake = wake || waiting.size() >= many || (whole && dropped != told);
        changed.notify_all();
    }
}

}  // namespace route
