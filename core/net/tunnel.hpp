#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/net/loop/event_loop.hpp"
#include "core/net/transport/connection.hpp"
#include "core/net/waiting/deadline.hpp"

namespace route::net {

/// Passes bytes between a client and an upstream, both ways at once and untouched, until both have ended. The
/// end of one direction is passed on as such (a half close), and the other one ends within 5 s; a slow reader
/// holds its peer back. One thread: the loop's.
class Tunnel final : private Expiring
{
  public:
    enum class End
    {
        both,      ///< each has ended its direction, or had when the other one broke off or fell silent
        client,    ///< the client's connection broke, or it took no byte for too long
        upstream,  ///< the upstream's connection broke, or it took no byte for too long
        silence,   ///< no byte came for too long, in either direction
    };

    /// Longest for the other side to end, too (SPEC 4): WebSocket knows no half-open connections.
    static constexpr std::chrono::seconds parting{5};

    /// `idle`: the longest time in which no byte moves. The connections outlive it.
    Tunnel(EventLoop& loop, Connection& client, Connection& upstream, Seconds idle);

    /// `from_client` and `from_upstream` were received before. Afterwards both connections can only be
    /// closed.
    awaitable<void> run(std::string from_client, std::string from_upstream);

    End end() const { return end_.value_or(End::both); }
    error_code error() const { return error_; }  ///< what broke a connection
    std::uint64_t client_bytes() const { return client_.received; }
    std::uint64_t upstream_bytes() const { return upstream_.received; }

  private:
    struct Side
    {
        Connection& connection;
        End broken;  ///< what it is when this one breaks
        std::uint64_t received = 0;
        bool ended = false;       ///< it will send no more
        bool not_taking = false;  ///< bytes wait until it takes more
    };

    awaitable<void> pass(Side& from, Side& to, std::string received);
    awaitable<void> pass_on(Side& from, Side& to);
    awaitable<bool> write(Side& to, std::string bytes);
    void break_off(End end, error_code error);
    void on_expired() override;
    void note_progress();
    void note_end(Side& side);

    EventLoop& loop_;
    Side client_;
    Side upstream_;
    Clock::duration idle_;
    Deadline silence_;
    std::optional<End> end_;
    error_code error_;
    bool other_done_ = false;
    Wakeup other_;
};

}  // namespace route::net
