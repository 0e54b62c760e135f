#pragma once

#include "storage/postgres/connection.hpp"

namespace route::storage::postgres {

/// Brings the schema to this program's version, within `bound`; routers that start together wait for one
/// another (advisory lock). Throws StorageError: `broken` when a newer program wrote the schema, or the names
/// of its tables are taken by others; without `make` `unavailable` when there is no schema.
void migrate(PostgresConnection& connection, std::chrono::milliseconds bound, bool make);

/// The version of the schema; 0 when there is none.
int schema_version(pqxx::transaction_base& transaction);

/// Held to the end of the transaction by who changes the schema or the partitions; waits for it.
void lock_schema(pqxx::transaction_base& transaction);

/// The same without waiting: false when another has it.
bool try_lock_schema(pqxx::transaction_base& transaction);

/// What a row of openai_api_route_state says; "" when there is none.
std::string state(pqxx::transaction_base& transaction, const std::string& name);
void set_state(pqxx::transaction_base& transaction, const std::string& name, const std::string& value);

/// The row that tells this schema from any other: a UUID.
inline constexpr auto schema_id_name = "schema_id";

/// The row that says up to which request_id bodies were emptied: for all routers and their next starts.
inline constexpr auto bodies_pruned_to = "bodies_pruned_to";

/// The channel on which changes to upstreams and client keys are notified of.
inline constexpr auto changes_channel = "openai_api_route_changes";

}  // namespace route::storage::postgres
