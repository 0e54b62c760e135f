#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "core/net/loop/event_loop.hpp"
#include "core/result.hpp"

namespace route::net {

/// Who else may listen on an address.
enum class Listening
{
    alone,     ///< nobody: it is refused when somebody does
    together,  ///< the other event loops of this process, and another router that is to drain (SO_REUSEPORT)
};

/// Accepts connections on one event loop. Each loop has its own socket on the same address (SO_REUSEPORT), so
/// the kernel spreads the clients.
class Acceptor
{
  public:
    explicit Acceptor(EventLoop& loop);

    /// Listens on an address (no name); says the address and why not on failure. Once it listens alone others
    /// may join it with `together`, but nobody can listen alone.
    Result<tcp::endpoint> listen(const ListenAddress& address, Listening listening = Listening::alone);

    /// Accepts until drain() or close(). Running out of file descriptors pauses it for a moment instead of
    /// ending it.
    void start();

    /// Accepts what waits to be accepted, then closes.
    void drain();

    /// Closes at once: what waits to be accepted is reset.
    void close();

  private:
    enum class Accepted
    {
        all,   ///< nothing waits any more
        some,  ///< there may be more
        none,  ///< for want of descriptors, until others leave or have been silent for long enough
    };

    error_code try_to_listen(const tcp::endpoint& endpoint, bool only_v6, Listening listening);
    awaitable<void> accept_all();
    awaitable<void> wait_for_clients();
    awaitable<void> wait_for_descriptors();
    Accepted accept_some();
    Accepted say_short_of(std::string_view why);
    bool is_full() const;
    void make_room();
    void begin_session(int socket, asio::ip::address peer);

    EventLoop& loop_;
    asio::basic_socket_acceptor<tcp, Executor> acceptor_;
    Timer pause_;
    bool draining_ = false;
    bool short_of_descriptors_ = false;
    TimePoint next_warning_{};
};

/// All event loops with their threads.
class Server
{
  public:
    /// Listens with `threads` loops (0: one per CPU this process may use). Of `services.most_clients` half
    /// may be without a key. Refuses an address that is taken or not ours.
    static Result<std::unique_ptr<Server>> listen(Services& services, const RoutingTablePtr& table,
                                                  const ListenAddress& address, unsigned threads,
                                                  Listening listening = Listening::alone);
    ~Server();

    void start();
    tcp::endpoint endpoint() const { return endpoint_; }

    /// From any thread: every loop uses `table` for requests that begin from now on.
    void set_routing(const RoutingTablePtr& table);

    /// From any thread: serves what waits to be accepted and closes the listeners, lets requests in flight
    /// finish.
    void drain();

    /// From any thread: whether every listener is closed and every connection has ended.
    bool drained() const;

    /// From any thread: ends everything now. Then join().
    void stop();
    void join();

  private:
    explicit Server(Services& services) : services_{services} {}

    Services& services_;
    std::vector<std::unique_ptr<EventLoop>> loops_;
    std::vector<std::unique_ptr<Acceptor>> acceptors_;
    std::vector<std::thread> threads_;
    tcp::endpoint endpoint_;
};

}  // namespace route::net
