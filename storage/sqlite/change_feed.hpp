#pragma once

#include <chrono>
#include <optional>

#include "storage/following.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

/// Polls PRAGMA data_version on a connection of its own and re-reads both tables when it changed.
class SqliteChanges final : public ChangeSource
{
  public:
    static constexpr std::chrono::milliseconds default_interval{250};

    explicit SqliteChanges(SqliteOptions options, std::chrono::milliseconds interval = default_interval);

    std::optional<Known> look() override;
    void close() override { repository_.reset(); }
    void wait(int stop) override;

  private:
    SqliteOptions options_;
    std::chrono::milliseconds interval_;
    std::optional<SqliteRepository> repository_;  ///< none while the file cannot be opened
    std::int64_t version_ = 0;
};

}  // namespace route::storage
