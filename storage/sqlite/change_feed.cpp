#include "storage/sqlite/change_feed.hpp"

#include <poll.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "core/text.hpp"

namespace route::storage {

namespace {

/// What a start writes is in the file soon.
constexpr std::chrono::milliseconds first_checkpoint{1'000};

/// Opens what is there and never waits long: stopping waits for it.
SqliteOptions for_polling(SqliteOptions options)
{
    options.create = false;
    options.busy_timeout = options.migration_timeout = std::chrono::milliseconds{250};
    return options;
}

}  // namespace

SqliteChanges::SqliteChanges(SqliteOptions options, std::chrono::milliseconds interval,
                             std::chrono::milliseconds checkpoint_interval)
    : options_{for_polling(std::move(options))},
      interval_{interval},
      checkpoint_interval_{checkpoint_interval},
      checkpoint_at_{std::chrono::steady_clock::now() + std::min(checkpoint_interval, first_checkpoint)}
{
}

void SqliteChanges::checkpoint_now_and_then(bool changed)
{
    changed_ = changed_ || changed;
    const auto now = std::chrono::steady_clock::now();
    if (!changed_ || now < checkpoint_at_)
        return;
    checkpoint_at_ = now + checkpoint_interval_;
    try {
        repository_->checkpoint();
        changed_ = false;
        if (std::exchange(checkpoint_fails_, false))
            spdlog::info("the database's write-ahead log gets into it again");
    } catch (const StorageError& error) {
        // Whoever reads upstreams and keys can go on.
        if (!std::exchange(checkpoint_fails_, true))
            spdlog::warn("the database's write-ahead log, {}-wal, does not get into it and grows: {}",
                         escape_for_log(options_.path), escape_for_log(error.what()));
    }
}

std::optional<UpstreamsAndKeys> SqliteChanges::look()
{
    const bool fresh = !repository_;
    if (fresh)
        repository_.emplace(options_);
    repository_->check_file();
    // Read before the tables: what changes in between is seen the next time.
    const auto version = repository_->data_version();
    checkpoint_now_and_then(fresh || version != version_);
    if (!fresh && version == version_)
        return {};
    repository_->check_identity();
    UpstreamsAndKeys now{repository_->upstreams(), repository_->client_keys()};
    version_ = version;
    return now;
}

void SqliteChanges::wait(int stop)
{
    pollfd waited{stop, POLLIN, 0};
    ::poll(&waited, 1, static_cast<int>(interval_.count()));
}

}  // namespace route::storage
