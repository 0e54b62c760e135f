#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "storage/change_feed.hpp"

namespace route::storage {

/// Where a feed looks for changes. One thread.
class ChangeSource
{
  public:
    virtual ~ChangeSource() = default;

    /// What the database says now; nothing when it has surely not changed since the last time. Opens the
    /// database if need be. Throws.
    virtual std::optional<UpstreamsAndKeys> look() = 0;

    /// After a failure: the next look() opens the database anew.
    virtual void close() = 0;

    /// Returns when it is time to look again, or `stop` (a file descriptor) can be read.
    virtual void wait(int stop) = 0;
};

/// The feed of a source, on a thread of its own.
class ChangePoller final : public ChangeFeed
{
  public:
    /// `known` is what the caller has read: the first call tells what changed since.
    ChangePoller(std::unique_ptr<ChangeSource> source, UpstreamsAndKeys known, OnChange on_change);
    ~ChangePoller() override;

    void stop() override;
    bool failing() const override { return failing_; }

  private:
    void run();
    void look();
    void failed(const char* reason) noexcept;

    std::unique_ptr<ChangeSource> source_;
    UpstreamsAndKeys known_;
    OnChange on_change_;
    std::set<std::string> reasons_;  ///< why it cannot be read, as far as they were logged
    std::atomic<bool> failing_{false};
    std::atomic<bool> stopping_{false};
    int stop_event_;  ///< eventfd(2)
    std::thread thread_;
};

}  // namespace route::storage
