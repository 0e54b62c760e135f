#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "storage/change_feed.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

/// Polls PRAGMA data_version on a connection of its own and re-reads both tables when it changed.
class SqliteChangeFeed final : public ChangeFeed
{
  public:
    static constexpr std::chrono::milliseconds default_interval{250};

    /// `known` is what the caller has read: the first call tells what changed since.
    SqliteChangeFeed(SqliteOptions options, Known known, OnChange on_change,
                     std::chrono::milliseconds interval = default_interval);
    ~SqliteChangeFeed() override;

    void stop() override;
    bool failing() const override { return failing_; }

  private:
    void run(const std::stop_token& stop);
    void look();

    SqliteOptions options_;
    Known known_;
    OnChange on_change_;
    std::chrono::milliseconds interval_;
    std::optional<SqliteRepository> repository_;  ///< none while the file cannot be opened
    std::int64_t version_ = 0;
    std::atomic<bool> failing_{false};
    std::mutex mutex_;
    std::condition_variable_any stopping_;
    std::jthread thread_;
};

}  // namespace route::storage
