#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

namespace route::storage {

/// Ends what waits too long on a connection: libpq waits for an answer for ever, and neither a frozen server
/// nor a network that is gone says anything. Shuts the socket down (shutdown(2)), upon which the waiting call
/// fails. Has a thread of its own.
class Watchdog
{
  public:
    using Milliseconds = std::chrono::milliseconds;

    /// Watches `socket`, of which it keeps a duplicate: another connection may get the number meanwhile.
    /// Throws std::system_error when there are no more of them.
    explicit Watchdog(int socket);
    ~Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

    /// From now on `bound`; until disarm().
    void arm(Milliseconds bound);
    void disarm();

    /// Ends the connection now: what is still said to the server on the way out waits for no answer.
    void bite();

    /// Whether it ended the connection. Any thread.
    bool bit();

  private:
    using TimePoint = std::chrono::steady_clock::time_point;

    void run(const std::stop_token& stop);

    int socket_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::optional<TimePoint> deadline_;  ///< of the mutex
    bool bit_ = false;                   ///< of the mutex
    std::jthread thread_;
};

}  // namespace route::storage
