#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "core/text.hpp"
#include "storage/conflicts.hpp"
#include "storage/postgres/migrations.hpp"
#include "storage/postgres/postgres_repository.hpp"
#include "storage/postgres/record_rows.hpp"

namespace route::storage {

using namespace postgres;

namespace {

using Kind = StorageError::Kind;

std::int64_t add_row(pqxx::transaction_base& transaction, const std::string& name, const KeyHash& hash)
{
    const auto added =
        Parameters{}
            .text(name)
            .text(to_hex(hash))
            .execute(transaction, "INSERT INTO client_keys (name, key_hash) VALUES ($1, $2) RETURNING id");
    return added[0][0].as<std::int64_t>();
}

bool had_keys(pqxx::transaction_base& transaction)
{
    return transaction.exec("SELECT EXISTS (SELECT 1 FROM client_keys)")[0][0].as<bool>();
}

}  // namespace

std::vector<ClientKey> PostgresRepository::client_keys()
{
    return transact([&](pqxx::work& work) {
        std::vector<ClientKey> found;
        for (const auto& row : work.exec(fmt::format(
                 "SELECT id, name, key_hash, {} FROM client_keys WHERE deleted_at IS NULL ORDER BY id",
                 milliseconds_text("created_at")))) {
            ClientKey key;
            key.id = row[0].as<std::int64_t>();
            key.name = row[1].as<std::string>();
            key.created_at = row[3].is_null() ? "" : row[3].as<std::string>();
            if (from_hex(row[2].as<std::string>(), key.hash))
                found.push_back(std::move(key));
            else if (reported_rows_.insert(fmt::format("key {}", key.id)).second)
                spdlog::warn("client key \"{}\" is left out: its key_hash is not 64 hexadecimal digits",
                             escape_for_log(key.name));
        }
        return found;
    });
}

std::int64_t PostgresRepository::add_client_key(const std::string& name, const KeyHash& hash)
{
    try {
        return transact([&](pqxx::work& work) { return add_row(work, name, hash); }, Kind::conflict);
    } catch (const StorageError& error) {
        if (error.kind() != Kind::conflict)
            throw;
        if (std::string_view{error.what()}.find("client_keys_name") != std::string_view::npos)
            throw key_name_taken(name);
        throw key_taken();
    }
}

bool PostgresRepository::remove_client_key(const std::string& name)
{
    return transact([&](pqxx::work& work) {
        return Parameters{}
                   .text(name)
                   .execute(
                       work,
                       "UPDATE client_keys SET deleted_at = now() WHERE name = $1 AND deleted_at IS NULL")
                   .affected_rows() > 0;
    });
}

bool PostgresRepository::add_first_client_key(const std::string& name, const KeyHash& hash)
{
    return transact([&](pqxx::work& work) {
        // Looked at without the lock first: a start with keys does not depend on it.
        if (had_keys(work))
            return false;
        lock_schema(work);
        if (had_keys(work))
            return false;
        add_row(work, name, hash);
        return true;
    });
}

}  // namespace route::storage
