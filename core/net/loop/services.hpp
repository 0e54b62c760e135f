#pragma once

#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "core/failover/cooldown.hpp"
#include "core/failover/makers.hpp"
#include "core/net/loop/buffer_account.hpp"
#include "core/net/transport/name_directory.hpp"
#include "core/record_sink.hpp"

namespace route::net {

/// What /readyz answers.
struct Readiness
{
    bool ready = true;
    std::string text;  ///< why not, or what is degraded
};

/// What the event loops share and get from the rest of the program. The functions are called on any of the
/// loops' threads, `metrics_text` and `readiness` on a thread that may block.
struct Services
{
    /// `look_up` is called on threads of its own, several at once.
    explicit Services(RecordSink& the_sink, LookUp look_up = &look_up_with_system)
        : sink{the_sink}, names{std::move(look_up)}
    {
    }

    /// From any thread: runs `work`, which may block, on a thread of its own.
    void post_page(std::function<void()> work) { boost::asio::post(pages, std::move(work)); }

    RecordSink& sink;
    std::string node;  ///< this router's name in its records: the host's
    std::function<void(const Record&)> on_finished = [](const Record&) {};  ///< metrics; never blocks
    /// An upstream is tried last from now on, or answers again. Neither may block.
    std::function<void(const CooldownStart&)> on_cooldown = [](const CooldownStart&) {};
    std::function<void(const CooldownEnd&)> on_recovered = [](const CooldownEnd&) {};
    std::function<std::string()> metrics_text = [] { return std::string{}; };
    std::function<Readiness()> readiness = [] { return Readiness{}; };

    /// Which upstream made these, as far as the database knows: called on one thread that may block; nothing
    /// is known past `deadline`. Empty where there is no database.
    std::function<std::vector<MadeBy>(const IdHashes&, std::chrono::steady_clock::time_point deadline)>
        find_makers = {};

    NameDirectory names;
    boost::asio::thread_pool pages{1};    ///< metrics and readiness
    boost::asio::thread_pool bodies{2};   ///< looks at large request bodies
    boost::asio::thread_pool lookups{1};  ///< in the database, of who made what
    Makers makers;                        ///< what the upstreams made last, and what was looked up
    std::atomic<std::int64_t> lookup_told_at{
        0};                  ///< when a look-up that took too long was warned of; clock's ticks
    BufferedBytes buffered;  ///< request bodies, replies and input held, of all loops
    /// Client connections at most, of all loops; of those without a key so many are open on each loop. Set
    /// before it serves.
    std::int64_t most_clients = std::numeric_limits<std::int64_t>::max();
    std::size_t most_strangers = std::numeric_limits<std::size_t>::max();
    std::atomic<std::int64_t> in_flight{0};
    std::atomic<std::int64_t> open_sessions{0};
    std::atomic<int> open_listeners{0};
    std::atomic<bool> draining{false};
};

}  // namespace route::net
