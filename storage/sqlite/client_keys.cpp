#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "core/text.hpp"
#include "storage/conflicts.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

namespace {

std::int64_t add_row(SQLite::Database& database, const std::string& name, const KeyHash& hash)
{
    SQLite::Statement add{database, "INSERT INTO client_keys (name, key_hash) VALUES (?, ?)"};
    add.bind(1, name);
    add.bind(2, to_hex(hash));
    add.exec();
    return database.getLastInsertRowid();
}

bool had_keys(SQLite::Database& database)
{
    return database.execAndGet("SELECT EXISTS (SELECT 1 FROM client_keys)").getInt() != 0;
}

}  // namespace

std::vector<ClientKey> SqliteRepository::client_keys()
{
    return guarded([&] {
        std::vector<ClientKey> found;
        SQLite::Statement row{
            *database_,
            "SELECT id, name, key_hash, created_at FROM client_keys WHERE deleted_at IS NULL ORDER BY id"};
        while (row.executeStep()) {
            ClientKey key;
            key.id = row.getColumn(0).getInt64();
            key.name = row.getColumn(1).getString();
            key.created_at = row.getColumn(3).getString();
            if (from_hex(row.getColumn(2).getString(), key.hash))
                found.push_back(std::move(key));
            else if (reported_rows_.insert(fmt::format("key {}", key.id)).second)
                spdlog::warn("client key \"{}\" is left out: its key_hash is not 64 hexadecimal digits",
                             escape_for_log(key.name));
        }
        return found;
    });
}

std::int64_t SqliteRepository::add_client_key(const std::string& name, const KeyHash& hash)
{
    try {
        return guarded([&] { return add_row(*database_, name, hash); }, StorageError::Kind::conflict);
    } catch (const StorageError& error) {
        if (error.kind() != StorageError::Kind::conflict)
            throw;
        if (std::string_view{error.what()}.find("client_keys.name") != std::string_view::npos)
            throw key_name_taken(name);
        throw key_taken();
    }
}

bool SqliteRepository::remove_client_key(const std::string& name)
{
    return guarded([&] {
        SQLite::Statement remove{*database_,
                                 "UPDATE client_keys SET deleted_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
                                 " WHERE name = ? AND deleted_at IS NULL"};
        remove.bind(1, name);
        return remove.exec() > 0;
    });
}

bool SqliteRepository::add_first_client_key(const std::string& name, const KeyHash& hash)
{
    return guarded([&] {
        // Looked at without the lock first: a start with keys does not depend on it.
        if (had_keys(*database_))
            return false;
        WriteTransaction transaction{*database_};
        if (had_keys(*database_))
            return false;
        add_row(*database_, name, hash);
        transaction.commit();
        return true;
    });
}

}  // namespace route::storage
