#include "storage/open.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/text.hpp"
#include "storage/null_repository.hpp"
#include "storage/outbox.hpp"
#include "storage/postgres/change_feed.hpp"
#include "storage/postgres/postgres_repository.hpp"
#include "storage/private_file.hpp"
#include "storage/shared_connection.hpp"
#include "storage/sqlite/change_feed.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

namespace {

constexpr auto public_default_key = "woshimima";

SqliteOptions sqlite_options(const StorageSettings& settings)
{
    SqliteOptions options;
    options.path = settings.sqlite;
    return options;
}

/// A record is in the outbox a second after it was taken: this leaves time to write it there.
constexpr std::chrono::milliseconds record_timeout{800};

/// The end of the program waits for a step of the pruner.
constexpr std::chrono::milliseconds pruner_lock_wait{300};
constexpr std::chrono::milliseconds pruner_step_bound{3'000};

/// Records, changes, pruning, messages, emptying the outbox, looking up who made what: with one less the
/// look-ups share that of the pruner, with fewer the outbox does, too. With the least that is, routers do
/// without agreeing on messages.
constexpr unsigned all_connections = 6;

/// Requests do not wait for longer (net::longest_lookup).
constexpr std::chrono::milliseconds lookup_bound{1'000};

/// Longest that the outbox waits for a step of the pruner, and that for a batch.
constexpr std::chrono::milliseconds turn{4'000};

SqliteOptions record_options(const StorageSettings& settings)
{
    auto options = sqlite_options(settings);
    options.create = false;
    options.writable = true;
    options.busy_timeout = record_timeout;
    options.migration_timeout = record_timeout;
    return options;
}

void share_connections(Connectors& made, unsigned connections)
{
    if (connections >= all_connections)
        return;
    const auto shared = std::make_shared<SharedConnection>(turn);
    made.pruner = shared->through(std::move(made.pruner));
    made.lookup = shared->through(std::move(made.lookup), lookup_bound);
    if (connections + 1 < all_connections)
        made.drain = shared->through(std::move(made.drain));
}

/// `operation_timeout`: 0 for people, whose query takes as long as it takes.
PostgresOptions postgres_options(const StorageSettings& settings, std::chrono::milliseconds operation_timeout)
{
    PostgresOptions options;
    options.url = settings.postgres;
    options.operation_timeout = operation_timeout;
    return options;
}

/// What a router on this machine last knew.
std::optional<Remembered> last_known(const StorageSettings& settings)
{
    try {
        if (settings.backend != Backend::sqlite)
            return remembered(settings.outbox);
        // The file is there, and only can not be opened for writing: a full disk, a program that locks
        // readers out.
        auto options = sqlite_options(settings);
        options.immutable = true;
        SqliteRepository repository{options};
        return Remembered{{repository.upstreams(), repository.client_keys()}, repository.ever_had_upstream()};
    } catch (const StorageError&) {
        return {};
    }
}

std::unique_ptr<AnyRepository> open(const StorageSettings& settings, const SqliteOptions& sqlite,
                                    const PostgresOptions& postgres)
{
    switch (settings.backend) {
        case Backend::sqlite:
            return any(SqliteRepository{sqlite});
        case Backend::postgres:
            return any(PostgresRepository{postgres});
        case Backend::none:
            break;
    }
    return any(NullRepository{});
}

/// A database elsewhere may be away when the next router starts; a file is there or is not.
bool is_remote(const StorageSettings& settings)
{
    return settings.backend == Backend::postgres;
}

void remember_for_next_start(const StorageSettings& settings, const Remembered& known)
{
    if (!is_remote(settings))
        return;
    try {
        remember(settings.outbox, known);
    } catch (const StorageError& error) {
        spdlog::warn("upstreams and keys could not be kept for a start without the database: {}",
                     escape_for_log(error.what()));
    }
}

void warn_of_public_key(const std::vector<ClientKey>& keys)
{
    const auto public_hash = hash_key(public_default_key);
    if (std::any_of(keys.begin(), keys.end(), [&](const auto& key) { return key.hash == public_hash; }))
        spdlog::warn(
            "the client key \"{}\" is v0.3.0's public default, which anyone may know: add another, remove it",
            public_default_key);
}

}  // namespace

std::unique_ptr<AnyRepository> open_repository(const StorageSettings& settings, bool make)
{
    auto sqlite = sqlite_options(settings);
    auto postgres = postgres_options(settings, {});
    sqlite.create = postgres.make = make;
    return open(settings, sqlite, postgres);
}

OpenedStorage open_storage(const StorageSettings& settings, std::chrono::milliseconds patience)
{
    OpenedStorage opened;
    if (settings.backend == Backend::sqlite)
        make_database_private(settings.sqlite);
    try {
        auto options = sqlite_options(settings);
        auto postgres = postgres_options(settings, patience);
        options.migration_timeout = patience;
        options.identity = postgres.identity = opened.identity;
        opened.repository = open(settings, options, postgres);
        opened.known = {opened.repository->upstreams(), opened.repository->client_keys()};
        opened.ever_had_upstream = opened.repository->ever_had_upstream();
    } catch (const StorageError& error) {
        if (error.kind() != StorageError::Kind::unavailable)
            throw;
        auto known = last_known(settings);
        if (!known)
            throw;
        spdlog::warn("the database is away, starting with the upstreams and keys last known: {}",
                     escape_for_log(error.what()));
        opened.repository = nullptr;
        opened.known = std::move(known->known);
        opened.ever_had_upstream = known->ever_had_upstream;
        opened.away = error.what();
    }
    warn_of_public_key(opened.known.keys);
    return opened;
}

std::unique_ptr<ChangeFeed> follow(const StorageSettings& settings, const OpenedStorage& opened,
                                   ChangeFeed::OnChange on_change)
{
    auto known = opened.known;
    remember_for_next_start(settings, {known, opened.ever_had_upstream});
    auto remembering = [settings, next = std::move(on_change),
                        ever = opened.ever_had_upstream](const UpstreamsAndKeys& changed) mutable {
        next(changed);
        ever = ever || !changed.upstreams.empty();
        remember_for_next_start(settings, {changed, ever});
    };
    auto sqlite = sqlite_options(settings);
    auto postgres = postgres_options(settings, {});
    sqlite.identity = postgres.identity = opened.identity;
    switch (settings.backend) {
        case Backend::sqlite:
            return std::make_unique<ChangePoller>(std::make_unique<SqliteChanges>(std::move(sqlite)),
                                                  std::move(known), std::move(remembering));
        case Backend::postgres:
            return std::make_unique<ChangePoller>(std::make_unique<PostgresChanges>(std::move(postgres)),
                                                  std::move(known), std::move(remembering));
        case Backend::none:
            break;
    }
    return nullptr;
}

Connectors connectors(const Settings& settings, const std::shared_ptr<SchemaIdentity>& identity)
{
    Connectors made;
    made.records = [storage = settings.storage, retention = settings.records.retention,
                    identity]() -> std::unique_ptr<RecordStore> {
        auto sqlite = record_options(storage);
        auto postgres = postgres_options(storage, record_timeout);
        postgres.make = false;
        sqlite.identity = postgres.identity = identity;
        auto repository = open(storage, sqlite, postgres);
        // Before the first record: what comes while there is no partition for it goes astray.
        try {
            repository->make_room(std::chrono::system_clock::now(), retention);
        } catch (const StorageError& error) {
            // It is tried again, and then warned of; the default partition takes them meanwhile.
            spdlog::debug("partitions are made later: {}", escape_for_log(error.what()));
        }
        return repository;
    };
    made.drain = made.records;
    made.pruner = [storage = settings.storage, identity]() -> std::unique_ptr<RecordStore> {
        auto sqlite = record_options(storage);
        sqlite.busy_timeout = pruner_lock_wait;
        auto postgres = postgres_options(storage, pruner_step_bound);
        postgres.make = false;
        sqlite.identity = postgres.identity = identity;
        return open(storage, sqlite, postgres);
    };
    made.lookup = [storage = settings.storage, identity]() -> std::unique_ptr<RecordStore> {
        auto sqlite = record_options(storage);
        sqlite.busy_timeout = lookup_bound;
        auto postgres = postgres_options(storage, lookup_bound);
        postgres.make = false;
        sqlite.identity = postgres.identity = identity;
        return open(storage, sqlite, postgres);
    };
    if (settings.storage.backend == Backend::postgres)
        share_connections(made, settings.storage.postgres_connections);
    return made;
}

PrunerOptions pruner_options(const Settings& settings)
{
    PrunerOptions options;
    options.records = settings.records;
    if (settings.storage.backend == Backend::sqlite)
        options.files.push_back(settings.storage.sqlite);
    if (settings.storage.backend != Backend::none)
        options.files.push_back(settings.storage.outbox);
    return options;
}

std::unique_ptr<MessageAgreement> message_agreement(const StorageSettings& settings)
{
    if (!is_remote(settings) || settings.postgres_connections <= least_postgres_connections)
        return nullptr;
    return std::make_unique<MessageAgreement>(settings.postgres);
}

WriterOptions writer_options(const Settings& settings, Connector drain)
{
    // Without a database nothing is ever written, and what another configuration left in the outbox stays
    // there.
    const bool stores = settings.storage.backend != Backend::none;
    return {settings.records, stores ? settings.storage.outbox : "", {}, std::move(drain)};
}

}  // namespace route::storage
