#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace route {

/// Lines on their way to a file descriptor: in memory, bounded in bytes, written by a thread of their own, so
/// that nobody ever waits for whoever reads them. Lines that do not fit are dropped and counted. All
/// functions may be called by any thread, and none of them waits but flush().
class LogQueue
{
  public:
    static constexpr std::size_t default_bound = 4u << 20;

    /// Makes the line that says how many were dropped; called by the queue's thread, must not log.
    using DropNotice = std::function<std::string(std::uint64_t lines)>;

    /// `descriptor` stays the caller's and must outlive the process's last line. `bound`: bytes that wait or
    /// are being written, at most. The thread leaves all signals to others.
    explicit LogQueue(int descriptor, DropNotice notice, std::size_t bound = default_bound);

    /// What waits is written by the thread if it can be; a thread that is held up is left behind.
    ~LogQueue();
    LogQueue(const LogQueue&) = delete;
    LogQueue& operator=(const LogQueue&) = delete;

    /// Takes whole lines; written with the next wake(), or when many wait.
    void append(std::string_view lines) noexcept;

    /// What was appended is to be written now.
    void wake() noexcept;

    /// Waits until all that was appended before is written, `longest` at most; whether it was.
    bool flush(std::chrono::milliseconds longest) noexcept;

    /// For a line that could not even be made.
    void count_dropped() noexcept;

    /// Lines, since the beginning.
    std::uint64_t dropped() const noexcept;

  private:
    struct State;
    std::shared_ptr<State> state_;  ///< the thread's, too, which may outlive this
};

}  // namespace route
