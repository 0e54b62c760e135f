#pragma once

#include <chrono>
#include <optional>

#include "storage/change_poller.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

/// Polls PRAGMA data_version on a connection of its own and re-reads both tables when it changed. It also
/// moves changes from the -wal into the file now and then: SQLite itself leaves them there until they are
/// many, and a copy of the file alone would be empty.
class SqliteChanges final : public ChangeSource
{
  public:
    static constexpr std::chrono::milliseconds default_interval{250};

    explicit SqliteChanges(SqliteOptions options, std::chrono::milliseconds interval = default_interval,
                           std::chrono::milliseconds checkpoint_interval = std::chrono::seconds{30});

    std::optional<UpstreamsAndKeys> look() override;
    void close() override { repository_.reset(); }
    void wait(int stop) override;

  private:
    void checkpoint_now_and_then(bool changed);

    SqliteOptions options_;
    std::chrono::milliseconds interval_;
    std::chrono::milliseconds checkpoint_interval_;
    std::optional<SqliteRepository> repository_;  ///< none while the file cannot be opened
    std::int64_t version_ = 0;
    bool changed_ = true;            ///< since the last checkpoint
    bool checkpoint_fails_ = false;  ///< that is told
    std::chrono::steady_clock::time_point checkpoint_at_;
};

}  // namespace route::storage
