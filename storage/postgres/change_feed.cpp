#include "storage/postgres/change_feed.hpp"

#include <poll.h>

#include <array>
#include <utility>

#include "storage/postgres/migrations.hpp"

namespace route::storage {

using namespace postgres;

namespace {

/// Never waits long: stopping waits for it.
constexpr std::chrono::milliseconds bound{2'000};

/// Then the changes are told, though others may have come meanwhile.
constexpr int most_looks = 3;

}  // namespace

PostgresChanges::PostgresChanges(PostgresOptions options, PostgresIntervals intervals)
    : options_{std::move(options)}, intervals_{intervals}
{
    options_.operation_timeout = bound;
    options_.make = false;
}

PostgresChanges::~PostgresChanges()
{
    close();
}

std::optional<UpstreamsAndKeys> PostgresChanges::look()
{
    if (!repository_) {
        repository_ = std::make_unique<PostgresRepository>(options_);
        // Listening comes before reading: what changes in between is told.
        if (!repository_->connection().pooled())
            listener_ = repository_->connection().listen(changes_channel, bound);
    }
    UpstreamsAndKeys now;
    int looks = 0;
    do {
        now = {repository_->upstreams(), repository_->client_keys()};
        // What comes with the answers makes the socket readable no more.
        repository_->connection().take_notifications();
    } while (listener_ && listener_->take_notified() && ++looks < most_looks);
    return now;
}

void PostgresChanges::close()
{
    if (repository_)
        repository_->connection().abandon();
    listener_.reset();
    repository_.reset();
}

void PostgresChanges::wait(int stop)
{
    std::array<pollfd, 2> waited{pollfd{stop, POLLIN, 0}, pollfd{-1, POLLIN, 0}};
    auto interval = intervals_.retry;
    if (listener_) {
        waited[1].fd = repository_->connection().socket();
        interval = intervals_.listening;
    } else if (repository_) {
        interval = intervals_.polling;
    }
    ::poll(waited.data(), waited.size(), static_cast<int>(interval.count()));
}

}  // namespace route::storage
