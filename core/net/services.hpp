#pragma once

#include <atomic>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <functional>
#include <string>

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
    explicit Services(RecordSink& the_sink) : sink{the_sink} {}

    RecordSink& sink;
    std::string node;  ///< this router's name in its records: the host's
    std::function<void(const Record&)> on_finished = [](const Record&) {};  ///< metrics; never blocks
    std::function<std::string()> metrics_text = [] { return std::string{}; };
    std::function<Readiness()> readiness = [] { return Readiness{}; };

    boost::asio::thread_pool blocking{4};    ///< look-ups of names
    boost::asio::thread_pool pages{1};       ///< metrics and readiness: slow names do not hold them up
    std::atomic<std::uint64_t> buffered{0};  ///< bytes of request bodies and replies held, of all loops
    std::atomic<std::int64_t> in_flight{0};
    std::atomic<std::int64_t> open_sessions{0};
    std::atomic<bool> draining{false};
};

}  // namespace route::net
