#pragma once

#include <sys/stat.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <optional>
#include <string>

#include "core/net/waiting/asio.hpp"
#include "core/result.hpp"

namespace route::net {

/// Gives a tuple of the error and what else an operation of a local socket says.
inline constexpr auto as_result = asio::as_tuple(asio::use_awaitable_t<Executor>{});

/// Where a Unix socket stands in the file system (unix(7)). Holds the directory open: a path that is too long
/// for a socket's address is reached through /proc/self/fd.
class LocalName
{
  public:
    /// Refuses a directory that cannot be opened, and a name no address has room for; says the path.
    static Result<LocalName> open(const std::string& path);
    LocalName(LocalName&& other) noexcept;
    LocalName& operator=(LocalName&&) = delete;
    ~LocalName();

    /// For bind and connect; good while this lives.
    const asio::local::stream_protocol::endpoint& endpoint() const { return endpoint_; }

    /// What has the name now; nothing when nothing has.
    std::optional<struct stat> look() const;

    /// One process at a time takes or gives up a name of this directory; false when another one is about to.
    /// Ends with this.
    bool lock() const;

    /// Removes what has the name; false (errno) when it cannot be.
    bool remove() const;

  private:
    LocalName(int directory, std::string file) : directory_{directory}, file_{std::move(file)} {}

    int directory_;
    std::string file_;
    asio::local::stream_protocol::endpoint endpoint_;
};

}  // namespace route::net
