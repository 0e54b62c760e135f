#include "storage/postgres/postgres_repository.hpp"

#include "storage/postgres/migrations.hpp"
#include "storage/postgres/partitions.hpp"

namespace route::storage {

using namespace postgres;

PostgresRepository::PostgresRepository(const PostgresOptions& options)
    : options_{options}, connection_{std::make_unique<PostgresConnection>(options.url)}
{
    migrate(*connection_, options.migration_timeout);
}

void PostgresRepository::make_room(SystemTime now, std::optional<Seconds> retention)
{
    transact([&](pqxx::work& work) {
        // Whoever has the lock does the same, or migrates.
        if (try_lock_schema(work))
            make_partitions(work, now, partition_days(retention));
    });
}

void PostgresRepository::make_room_for(SystemTime oldest)
{
    transact([&](pqxx::work& work) {
        lock_schema(work);
        make_partitions_back_to(work, oldest);
        // Old bodies may come with them.
        set_state(work, bodies_pruned_to, "");
    });
}

}  // namespace route::storage
