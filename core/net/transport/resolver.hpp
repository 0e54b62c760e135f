#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/net/transport/name_directory.hpp"
#include "core/net/waiting/wakeup.hpp"

namespace route::net {

/// Names to addresses for one event loop: keeps the answers of the directory that all loops share, so that
/// what is known is answered without a lock.
class Resolver
{
  public:
    struct Lookup
    {
        bool done = false;
        NameDirectory::Answer answer;
        TimePoint asked_at;
        std::vector<Wakeup*> waiters;
    };
    using Question = std::shared_ptr<Lookup>;

    Resolver(asio::io_context& io, NameDirectory& directory) : io_{io}, directory_{directory} {}
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;
    ~Resolver() { directory_.forget(asker_); }

    /// Starts a look-up, or joins one; answered at once (`done`) for an address or a name still known.
    Question ask(const std::string& host);

    /// To await the answer, put a wake-up into `waiters`. To give up, remove it by forget().
    static void forget(Lookup& lookup, Wakeup& wakeup);

  private:
    asio::io_context& io_;
    NameDirectory& directory_;
    NameDirectory::Asker asker_;
    std::map<std::string, Question> known_;
};

}  // namespace route::net
