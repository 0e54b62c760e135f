#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/loop/event_loop.hpp"
#include "tests/fuzz/socket_peer.hpp"

namespace route::fuzz {

/// A router on an event loop of this thread without a network: clients and upstreams are socket pairs. Its
/// upstreams are `first` and `second`, which calls the model "gpt-4o" "other"; they take the connections they
/// were given and refuse new ones. Nothing in it waits for time to pass.
class OfflineRouter
{
  public:
    static constexpr std::string_view client_key = "client-key-0123456789";
    static constexpr std::string_view upstream_keys[] = {"sk-upstream-first-0123456789",
                                                         "sk-upstream-second-0123456789"};

    struct Options
    {
        std::size_t upstreams = 2;
        bool durable = false;  ///< records.durability = "commit"
    };

    explicit OfflineRouter(Options options);
    OfflineRouter(const OfflineRouter&) = delete;
    OfflineRouter& operator=(const OfflineRouter&) = delete;
    ~OfflineRouter();

    SocketPeer& connect_client();

    /// Puts a connection into the pool: the last one put there is used first.
    SocketPeer& connect_upstream(std::size_t index);

    /// Lets everything run that can; whether anything did.
    bool run();

    void drain() { loop_->drain(); }
    bool has_sessions() const;

    /// Runs until all sessions have ended, which must not take them long, and nothing of them is left.
    void end();

    /// Of finished requests in order, complete_record() applied.
    const std::vector<Record>& records() const;

  private:
    net::RoutingTablePtr table_;
    std::unique_ptr<net::EventLoop> loop_;
    std::list<SocketPeer> peers_;
};

/// What must hold of any record of OfflineRouter: UTF-8, no NUL, none of the keys.
void check_record(const Record& record);

}  // namespace route::fuzz
