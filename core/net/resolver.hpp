#pragma once

#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/net/signal.hpp"

namespace route::net {

using Addresses = std::vector<asio::ip::address>;

/// Names to addresses for one event loop. getaddrinfo runs on a small pool of its own, since it can neither
/// be cancelled nor hurried; answers are kept for `lifetime`, equal questions share one look-up, and a late
/// answer is used by whoever asks next.
class Resolver
{
  public:
    static constexpr auto lifetime = std::chrono::seconds{30};
    static constexpr auto failure_lifetime = std::chrono::seconds{1};

    struct Lookup
    {
        bool done = false;
        error_code error;
        Addresses addresses;
        TimePoint good_until;
        std::vector<Signal*> waiters;
    };
    using Question = std::shared_ptr<Lookup>;

    Resolver(asio::io_context& io, asio::thread_pool& pool) : io_{io}, pool_{pool} {}

    /// Starts a look-up, or joins one; answered at once (`done`) for an address or a name still known.
    Question ask(const std::string& host);

    /// Awaits the answer. To give up, remove the signal from `waiters` by forget() and notify it.
    static void forget(Lookup& lookup, Signal& signal);

  private:
    void look_up(const std::string& host, const Question& question);

    asio::io_context& io_;
    asio::thread_pool& pool_;
    std::map<std::string, Question> known_;
};

}  // namespace route::net
