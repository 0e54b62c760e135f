#pragma once

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include "core/net/transport/local_client.hpp"
#include "core/net/transport/local_name.hpp"

namespace route::net {

/// Answers processes of the same user on this machine: HTTP over a Unix socket of mode 0600, one request a
/// connection, on threads of its own. The name belongs to one process at a time: that of a dead one is
/// replaced, that of a live one is not, unless it is leaving; without it this tries again every second, and
/// the log says why it goes without. `GET /owner` is answered here.
class LocalServer
{
  public:
    /// Called on several threads at once; what takes long has to end soon after the token is stopped: the one
    /// who asked has gone, or stop() was called. What it throws is the reply's error.
    using Handler = std::function<LocalReply(const LocalRequest&, const std::stop_token&)>;

    static constexpr std::size_t most_body = 16u << 20;
    static constexpr int most_connections = 16;
    static constexpr unsigned handlers = 4;  ///< at once
    static constexpr auto request_time = std::chrono::seconds{10};

    LocalServer(std::string path, Handler handler);
    LocalServer(const LocalServer&) = delete;
    LocalServer& operator=(const LocalServer&) = delete;
    ~LocalServer();  ///< stop()

    /// Has tried once to take the name when it returns: that waits for a process that has it half a second at
    /// most.
    void start();

    /// Whether it has the name. Any thread.
    bool listening() const { return listening_; }

    /// From now on another process may take the name; this one answers until then. Any thread.
    void leave();

    /// Ends everything, and removes the socket if it is still its own.
    void stop();

  private:
    using Socket = asio::basic_stream_socket<asio::local::stream_protocol, Executor>;
    using AcceptorSocket = asio::basic_socket_acceptor<asio::local::stream_protocol, Executor>;
    enum class Owner
    {
        dead,
        alive,
        leaving
    };
    struct Asked;
    class Open;
    class Counted;
    class Waiting;

    void run() noexcept;
    awaitable<void> keep_name();
    awaitable<void> look_after_name();
    awaitable<void> claim_once();
    awaitable<void> claim();
    awaitable<Owner> ask_owner(const LocalName& name);
    void bind(const LocalName& name);
    bool has_name() const;
    void give_up_name();
    void complain(const std::string& reason);
    awaitable<void> accept_all();
    awaitable<void> serve(Socket socket);
    awaitable<LocalReply> answer(LocalStream& stream, LocalRequest request);
    LocalReply handle(const LocalRequest& request, const std::stop_token& stop) const noexcept;
    std::string owner_text() const;

    const std::string path_;
    const Handler handler_;
    std::atomic<bool> leaving_{false};
    std::atomic<bool> listening_{false};

    // Of the thread, once it runs:
    asio::io_context io_{1};
    AcceptorSocket acceptor_;
    Timer again_;  ///< when the name is looked after next
    Timer pause_;  ///< of accepting
    std::optional<std::pair<dev_t, ino_t>> own_;
    std::set<LocalStream*> open_;
    std::set<Asked*> asked_;
    int connections_ = 0;
    int accepting_ = 0;  ///< 1 while somebody does
    bool stopping_ = false;
    int owner_process_ = 0;
    std::string complaint_;  ///< the last one logged

    asio::thread_pool pool_{handlers};
    std::thread thread_;
};

}  // namespace route::net
