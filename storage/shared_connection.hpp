#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "storage/any_repository.hpp"
#include "storage/connecting.hpp"

namespace route::storage {

/// A connection to the database that several take turns with, one operation at a time: whoever has its turn
/// closes what another left open, and opens its own way, but for look-ups, which take what is open. So they
/// need no more than one between them.
class SharedConnection : public std::enable_shared_from_this<SharedConnection>
{
  public:
    /// `turn`: longest wait for the others.
    explicit SharedConnection(std::chrono::milliseconds turn) : turn_{turn} {}

    /// A connector whose stores share this connection; `open` opens it their way. It opens at once. Later,
    /// when another had its turn, an operation opens it anew, and throws NotOpened where that fails. After
    /// `turn`, or the longest wait of all, NotItsTurn; a look-up within its bound.
    Connector through(Connector open, std::optional<std::chrono::milliseconds> turn = {});

  private:
    class Share;

    void close();

    const std::chrono::milliseconds turn_;
    std::timed_mutex turns_;
    std::unique_ptr<RecordStore> store_;  ///< of who has its turn
    std::uint64_t owner_ = 0;             ///< of who has its turn: the share that opened `store_`; 0: none
    std::atomic<std::uint64_t> shares_{0};
};

}  // namespace route::storage
