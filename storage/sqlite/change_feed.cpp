#include "storage/sqlite/change_feed.hpp"

#include <spdlog/spdlog.h>

#include <utility>

namespace route::storage {

namespace {

/// Opens what is there and never waits long: stop() waits for it.
SqliteOptions for_polling(SqliteOptions options)
{
    options.create = false;
    options.busy_timeout = options.migration_timeout = std::chrono::milliseconds{250};
    return options;
}

}  // namespace

SqliteChangeFeed::SqliteChangeFeed(SqliteOptions options, Known known, OnChange on_change,
                                   std::chrono::milliseconds interval)
    : options_{for_polling(std::move(options))},
      known_{std::move(known)},
      on_change_{std::move(on_change)},
      interval_{interval},
      thread_{[this](const std::stop_token& stop) { run(stop); }}
{
}

SqliteChangeFeed::~SqliteChangeFeed()
{
    stop();
}

void SqliteChangeFeed::stop()
{
    thread_.request_stop();
    if (thread_.joinable())
        thread_.join();
}

void SqliteChangeFeed::run(const std::stop_token& stop)
{
    while (!stop.stop_requested()) {
        try {
            look();
            if (failing_.exchange(false))
                spdlog::info("upstreams and client keys can be read again");
        } catch (const std::exception& error) {
            repository_.reset();
            if (!failing_.exchange(true))
                spdlog::warn("upstreams and client keys can not be read, the last known stay in force: {}",
                             error.what());
        }
        std::unique_lock lock{mutex_};
        stopping_.wait_for(lock, stop, interval_, [] { return false; });
    }
}

void SqliteChangeFeed::look()
{
    const bool fresh = !repository_;
    if (fresh)
        repository_.emplace(options_);
    repository_->check_file();
    // Read before the tables: what changes in between is seen the next time.
    const auto version = repository_->data_version();
    if (!fresh && version == version_)
        return;
    Known now{repository_->upstreams(), repository_->client_keys()};
    version_ = version;
    if (now == known_)
        return;
    known_ = std::move(now);
    on_change_(known_);
}

}  // namespace route::storage
