#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "core/settings.hpp"
#include "storage/any_repository.hpp"
#include "storage/change_feed.hpp"
#include "storage/connecting.hpp"
#include "storage/message_agreement.hpp"
#include "storage/record_pruner.hpp"
#include "storage/record_writer.hpp"
#include "storage/schema_identity.hpp"

namespace route::storage {

/// Opens the configured database; makes, migrates or takes over its schema. Without `make` the file and its
/// tables must be there. Throws StorageError.
std::unique_ptr<AnyRepository> open_repository(const StorageSettings& settings, bool make = true);

/// The database as a router begins with it.
struct OpenedStorage
{
    /// Null when the database is away and the router starts with what was last known.
    std::unique_ptr<AnyRepository> repository;
    UpstreamsAndKeys known;
    bool ever_had_upstream = false;
    /// Which database it is, for all parts of the program.
    std::shared_ptr<SchemaIdentity> identity = std::make_shared<SchemaIdentity>();
    std::string away = {};  ///< why the database is; "" when it is not
};

/// Opens the database and reads upstreams and client keys; warns of v0.3.0's public default key. While the
/// database is `unavailable`, what a router on this machine last knew serves. Throws StorageError when there
/// is neither.
/// `patience`: how long to wait for whoever locks the database, a router that migrates it for one.
OpenedStorage open_storage(const StorageSettings& settings,
                           std::chrono::milliseconds patience = std::chrono::seconds{10});

/// Follows the changes to what was `opened`, and keeps a remote database's for a start without it. Null with
/// backend "none".
std::unique_ptr<ChangeFeed> follow(const StorageSettings& settings, const OpenedStorage& opened,
                                   ChangeFeed::OnChange on_change);

/// One for records, one for changes, one for all the rest.
constexpr unsigned least_postgres_connections = 3;

/// The ways of the running router's parts to the database: open what is there and make nothing but room for
/// records to come, for a database that went away may come back. One that is not that of `identity` is
/// `unavailable`. PostgreSQL is given no more than `postgres_connections`, the change feed's included.
struct Connectors
{
    Connector records;
    Connector drain;   ///< of what comes out of the outbox
    Connector pruner;  ///< holds up nobody and is more patient
    Connector lookup;  ///< of who made what; requests wait for it
};
Connectors connectors(const Settings& settings, const std::shared_ptr<SchemaIdentity>& identity);

/// The pruner's options out of the settings.
PrunerOptions pruner_options(const Settings& settings);

/// What routers that share the database agree on about messages; null where each has its own: with another
/// backend than PostgreSQL, and where there is no connection for it. Connects to nothing yet.
std::unique_ptr<MessageAgreement> message_agreement(const StorageSettings& settings);

/// The record writer's options out of the settings.
WriterOptions writer_options(const Settings& settings, Connector drain = {});

}  // namespace route::storage
