#include "storage/sqlite/change_feed.hpp"

#include <poll.h>

#include <utility>

namespace route::storage {

namespace {

/// Opens what is there and never waits long: stopping waits for it.
SqliteOptions for_polling(SqliteOptions options)
{
    options.create = false;
    options.busy_timeout = options.migration_timeout = std::chrono::milliseconds{250};
    return options;
}

}  // namespace

SqliteChanges::SqliteChanges(SqliteOptions options, std::chrono::milliseconds interval)
    : options_{for_polling(std::move(options))}, interval_{interval}
{
}

std::optional<Known> SqliteChanges::look()
{
    const bool fresh = !repository_;
    if (fresh)
        repository_.emplace(options_);
    repository_->check_file();
    // Read before the tables: what changes in between is seen the next time.
    const auto version = repository_->data_version();
    if (!fresh && version == version_)
        return {};
    repository_->check_identity();
    Known now{repository_->upstreams(), repository_->client_keys()};
    version_ = version;
    return now;
}

void SqliteChanges::wait(int stop)
{
    pollfd waited{stop, POLLIN, 0};
    ::poll(&waited, 1, static_cast<int>(interval_.count()));
}

}  // namespace route::storage
