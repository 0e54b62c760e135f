#include "storage/postgres/postgres_repository.hpp"

#include <spdlog/spdlog.h>

#include <utility>

#include "storage/postgres/migrations.hpp"
#include "storage/postgres/partitions.hpp"

namespace route::storage {

using namespace postgres;

PostgresRepository::PostgresRepository(const PostgresOptions& options)
    : options_{options}, connection_{std::make_unique<PostgresConnection>(options.url)}
{
    migrate(*connection_, options.migration_timeout, options.make);
    if (options.identity)
        check_identity(*options.identity);
}

void PostgresRepository::check_identity(SchemaIdentity& known)
{
    const auto id = transact([](pqxx::work& work) { return state(work, schema_id_name); });
    if (!known.accept(id))
        throw StorageError{
            StorageError::Kind::unavailable,
            "it is another database than before, with tables of its own: what it says is taken by routers"
            " that are started with it"};
}

void PostgresRepository::make_room(SystemTime now, std::optional<Seconds> retention)
{
    transact([&](pqxx::work& work) {
        // Whoever has the lock does the same, or migrates.
        if (try_lock_schema(work))
            make_partitions(work, by_server_clock(work, now), partition_days(retention));
    });
}

void PostgresRepository::make_room_for(SystemTime oldest)
{
    patiently([&] {
        transact([&](pqxx::work& work) {
            lock_schema(work);
            make_partitions_back_to(work, oldest, std::chrono::system_clock::now());
        });
    });
}

SystemTime PostgresRepository::by_server_clock(pqxx::work& work, SystemTime time)
{
    constexpr auto tolerated = std::chrono::minutes{1};
    const auto row = work.exec("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint");
    const SystemTime server{std::chrono::milliseconds{row[0][0].as<std::int64_t>()}};
    const auto ahead = std::chrono::system_clock::now() - server;
    if (std::chrono::abs(ahead) < tolerated)
        return time;
    if (!std::exchange(clock_reported_, true))
        spdlog::warn(
            "this machine's clock is {} s ahead of the database server's, which is taken for the right one",
            std::chrono::duration_cast<std::chrono::seconds>(ahead).count());
    return time - ahead;
}

}  // namespace route::storage
