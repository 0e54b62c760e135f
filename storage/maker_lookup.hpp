#pragma once

#include <chrono>
#include <memory>

#include "storage/connecting.hpp"

namespace route::storage {

/// Looks up in the database which upstream made what, for requests that name it. Connects with the first
/// look-up. One thread at a time, which may wait: little longer than connecting takes, or until the deadline.
/// Throws nothing but for lack of memory: while the database is away nothing is known.
class MakerLookup
{
  public:
    using TimePoint = std::chrono::steady_clock::time_point;

    /// `pause`: so long a database that failed is left alone; a connection that ended is made anew at once.
    explicit MakerLookup(Connector connector, std::chrono::milliseconds pause = std::chrono::seconds{5})
        : connector_{std::move(connector)}, pause_{pause}
    {
    }

    /// Those of these ids that are known. None when nobody waits any more, past `deadline`.
    std::vector<MadeBy> find(const IdHashes& ids, TimePoint deadline);

  private:
    void failed(const char* reason);

    Connector connector_;
    std::chrono::milliseconds pause_;
    std::unique_ptr<RecordStore> database_;
    TimePoint retry_at_{};
    TimePoint told_at_{};  ///< when it was warned of
};

}  // namespace route::storage
