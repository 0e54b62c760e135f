#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/net/loop/event_loop.hpp"
#include "core/net/transport/connection.hpp"
#include "core/net/waiting/deadline.hpp"

namespace route::net {

/// How a tunnel ended.
struct TunnelEnd
{
    enum class By
    {
        both,      ///< each has ended its direction, or had when the other one broke off or fell silent
        client,    ///< the client's connection broke, or it took no byte for too long
        upstream,  ///< the upstream's connection broke, or it took no byte for too long
        silence,   ///< no byte came for too long, in either direction
    };

    By by = By::both;
    bool client_first = false;  ///< the client ended its direction before the upstream did
    error_code error;           ///< what broke a connection
    std::uint64_t client_bytes = 0;
    std::uint64_t upstream_bytes = 0;
};

/// Is shown the bytes that pass a tunnel, before they are sent on, on the loop's thread.
class TunnelReader
{
  public:
    /// Both say whether that made much work: then others of the loop have their turn.
    virtual bool read_client(std::string_view bytes) noexcept = 0;
    virtual bool read_upstream(std::string_view bytes) noexcept = 0;

    /// No bytes are taken from either side while it needs room for what it makes of them.
    virtual bool needs_room() const noexcept = 0;
    /// For a while; afterwards it needs none, or does without.
    virtual awaitable<void> wait_for_room() = 0;

  protected:
    ~TunnelReader() = default;
};

/// Passes bytes between a client and an upstream, both ways at once and untouched, until both have ended. The
/// end of one direction is passed on as such (a half close), and the other one ends within 5 s; a slow reader
/// holds its peer back. One thread: the loop's.
class Tunnel final : private Expiring
{
  public:
    /// Longest for the other side to end, too (SPEC 4): WebSocket knows no half-open connections.
    static constexpr std::chrono::seconds parting{5};

    /// `idle`: the longest time in which no byte moves. `reader` may be null. All outlive it.
    Tunnel(EventLoop& loop, Connection& client, Connection& upstream, TunnelReader* reader, Seconds idle);

    /// `from_client` and `from_upstream` were received before. Afterwards both connections can only be
    /// closed.
    awaitable<TunnelEnd> run(std::string from_client, std::string from_upstream);

  private:
    using By = TunnelEnd::By;

    struct Side
    {
        Connection& connection;
        By broken;                                              ///< what it is when this one breaks
        bool (TunnelReader::*read)(std::string_view) noexcept;  ///< what came from it
        std::uint64_t received = 0;
        bool ended = false;       ///< it will send no more
        bool not_taking = false;  ///< bytes wait until it takes more
    };

    awaitable<void> pass(Side& from, Side& to, std::string received);
    awaitable<void> pass_on(Side& from, Side& to);
    awaitable<bool> write(Side& to, std::string bytes);
    void take_in(Side& from, std::string_view bytes);
    void break_off(By by, error_code error);
    void on_expired() override;
    void note_progress();
    void note_end(Side& side);

    EventLoop& loop_;
    TunnelReader* reader_;
    Side client_;
    Side upstream_;
    Clock::duration idle_;
    Deadline silence_;
    std::optional<By> broken_;
    bool client_first_ = false;
    error_code error_;
};

}  // namespace route::net
