#include <fmt/format.h>

#include <string>
#include <vector>

#include "storage/conflicts.hpp"
#include "storage/sqlite/sqlite_repository.hpp"
#include "storage/upstream_columns.hpp"

namespace route::storage {

namespace {

constexpr auto select_upstreams =
    "SELECT id, name, sk, endpoint, priority, weight, timeout, stream_timeout, allow, deny, rename, proxy, "
    "enabled, retries, first_content_timeout, hedge_after, max_in_flight, headers, \"set\", unset, key_header"
    " FROM openai_upstreams WHERE deleted_at IS NULL ORDER BY coalesce(priority, 0), id";

std::string text_or(const SQLite::Column& column, const char* otherwise)
{
    return column.isNull() ? otherwise : column.getString();
}

int int_or(const SQLite::Column& column, int otherwise)
{
    return column.isNull() ? otherwise : column.getInt();
}

/// NULL and, as in v0.3.0, 0 mean the default.
std::optional<Seconds> seconds_of(const SQLite::Column& column)
{
    if (column.isNull() || !(column.getDouble() > 0))
        return {};
    return Seconds{column.getDouble()};
}

std::optional<Seconds> seconds_or_zero(const SQLite::Column& column)
{
    return column.isNull() ? std::nullopt : std::optional{Seconds{column.getDouble()}};
}

UpstreamDefinition read_upstream(SQLite::Statement& row)
{
    UpstreamDefinition definition;
    definition.id = row.getColumn(0).getInt64();
    definition.name = text_or(row.getColumn(1), "");
    definition.sk = text_or(row.getColumn(2), "");
    definition.endpoint = text_or(row.getColumn(3), "https://api.openai.com/v1");
    definition.priority = int_or(row.getColumn(4), 0);
    definition.weight = int_or(row.getColumn(5), 1);
    definition.timeout = seconds_of(row.getColumn(6));
    definition.stream_timeout = seconds_of(row.getColumn(7));
    read_json_column(definition, "allow", row.getColumn(8).getString());
    read_json_column(definition, "deny", row.getColumn(9).getString());
    read_json_column(definition, "rename", row.getColumn(10).getString());
    definition.proxy = text_or(row.getColumn(11), "");
    definition.enabled = int_or(row.getColumn(12), 1) != 0;
    if (!row.getColumn(13).isNull())
        definition.retries = row.getColumn(13).getInt();
    definition.first_content_timeout = seconds_or_zero(row.getColumn(14));
    definition.hedge_after = seconds_or_zero(row.getColumn(15));
    definition.max_in_flight = int_or(row.getColumn(16), 0);
    read_json_column(definition, "headers", row.getColumn(17).getString());
    read_json_column(definition, "set", row.getColumn(18).getString());
    read_json_column(definition, "unset", row.getColumn(19).getString());
    definition.key_header = text_or(row.getColumn(20), "");
    return definition;
}

void bind_seconds(SQLite::Statement& statement, int index, const std::optional<Seconds>& seconds)
{
    if (seconds)
        statement.bind(index, seconds->count());
    else
        statement.bind(index);
}

void bind_upstream(SQLite::Statement& statement, const UpstreamDefinition& definition)
{
    if (definition.name.empty())
        statement.bind(1);
    else
        statement.bind(1, definition.name);
    statement.bind(2, definition.sk);
    statement.bind(3, definition.endpoint);
    statement.bind(4, definition.priority);
    statement.bind(5, definition.weight);
    bind_seconds(statement, 6, definition.timeout);
    bind_seconds(statement, 7, definition.stream_timeout);
    statement.bind(8, json_column(definition, "allow"));
    statement.bind(9, json_column(definition, "deny"));
    statement.bind(10, json_column(definition, "rename"));
    statement.bind(11, definition.proxy);
    statement.bind(12, definition.enabled ? 1 : 0);
    if (definition.retries)
        statement.bind(13, *definition.retries);
    else
        statement.bind(13);
    bind_seconds(statement, 14, definition.first_content_timeout);
    bind_seconds(statement, 15, definition.hedge_after);
    statement.bind(16, definition.max_in_flight);
    statement.bind(17, json_column(definition, "headers"));
    statement.bind(18, json_column(definition, "set"));
    statement.bind(19, json_column(definition, "unset"));
    statement.bind(20, definition.key_header);
}

/// Without an id the row gets the next one.
void add_row(SQLite::Database& database, const UpstreamDefinition& definition, std::optional<std::int64_t> id,
             const std::string& insert = "INSERT")
{
    SQLite::Statement add{
        database, insert +
                      " INTO openai_upstreams (name, sk, endpoint, priority, weight, timeout, stream_timeout,"
                      " allow, deny, rename, proxy, enabled, retries, first_content_timeout, hedge_after,"
                      " max_in_flight, headers, \"set\", unset, key_header, id)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
    bind_upstream(add, definition);
    if (id)
        add.bind(21, *id);
    add.exec();
}

/// False when the row is not there or `condition` does not hold for it.
bool update_row(SQLite::Database& database, const UpstreamDefinition& definition, const char* condition)
{
    SQLite::Statement update{
        database,
        fmt::format("UPDATE openai_upstreams SET name = ?, sk = ?, endpoint = ?, priority = ?, weight = ?,"
                    " timeout = ?, stream_timeout = ?, allow = ?, deny = ?, rename = ?, proxy = ?,"
                    " enabled = ?, retries = ?, first_content_timeout = ?, hedge_after = ?,"
                    " max_in_flight = ?, headers = ?, \"set\" = ?, unset = ?, key_header = ?, updated_at = "
                    "strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), deleted_at = NULL"
                    " WHERE id = ? AND {}",
                    condition)};
    bind_upstream(update, definition);
    update.bind(21, definition.id);
    return update.exec() > 0;
}

/// Says which of the two unique keys is taken; SQLite's message names its columns.
template <class F>
auto naming_conflicts(const UpstreamDefinition& definition, F&& function)
{
    try {
        return guarded(std::forward<F>(function), StorageError::Kind::conflict);
    } catch (const StorageError& error) {
        if (error.kind() != StorageError::Kind::conflict)
            throw;
        if (std::string_view{error.what()}.find("openai_upstreams.name") != std::string_view::npos)
            throw upstream_name_taken(definition.name);
        throw upstream_taken();
    }
}

}  // namespace

template <class F>
auto SqliteRepository::erasing_keys(F&& function, StorageError::Kind constraint)
{
    return guarded(
        [&] {
            const SecureDelete secure{*database_};
            auto result = std::forward<F>(function)();
            empty_wal(*database_, waits_for_lock_);
            return result;
        },
        constraint);
}

std::vector<UpstreamDefinition> SqliteRepository::upstreams()
{
    return guarded([&] {
        std::vector<UpstreamDefinition> found;
        SQLite::Statement row{*database_, select_upstreams};
        while (row.executeStep())
            found.push_back(read_upstream(row));
        return found;
    });
}

bool SqliteRepository::ever_had_upstream()
{
    return guarded([&] {
        return database_->execAndGet("SELECT EXISTS (SELECT 1 FROM openai_upstreams)").getInt() != 0;
    });
}

std::int64_t SqliteRepository::add_upstream(const UpstreamDefinition& definition)
{
    return naming_conflicts(definition, [&] {
        add_row(*database_, definition, {});
        return static_cast<std::int64_t>(database_->getLastInsertRowid());
    });
}

bool SqliteRepository::add_first_upstream(const UpstreamDefinition& definition)
{
    // Looked at without the lock first: a start with upstreams does not depend on it.
    if (ever_had_upstream())
        return false;
    return guarded([&] {
        WriteTransaction transaction{*database_};
        if (ever_had_upstream())
            return false;
        add_row(*database_, definition, {});
        transaction.commit();
        return true;
    });
}

bool SqliteRepository::update_upstream(const UpstreamDefinition& definition)
{
    return naming_conflicts(definition, [&] {
        return erasing_keys([&] { return update_row(*database_, definition, "deleted_at IS NULL"); },
                            StorageError::Kind::conflict);
    });
}

std::vector<std::int64_t> SqliteRepository::write_upstreams(
    const std::vector<UpstreamDefinition>& definitions)
{
    return erasing_keys([&] {
        WriteTransaction transaction{*database_};
        // They may exchange names or keys: to the unique indexes none of them is there until it is written.
        constexpr auto hidden = "deleted_at = 'hidden'";
        for (const auto& definition : definitions) {
            SQLite::Statement hide{*database_, fmt::format("UPDATE openai_upstreams SET {} WHERE id = ?"
                                                           " AND deleted_at IS NULL",
                                                           hidden)};
            hide.bind(1, definition.id);
            if (hide.exec() == 0 && definition.id != 0)
                throw upstream_gone(definition.id);
        }
        std::vector<std::int64_t> ids;
        for (const auto& definition : definitions) {
            naming_conflicts(definition, [&] {
                if (definition.id == 0)
                    add_row(*database_, definition, {});
                else
                    update_row(*database_, definition, hidden);
            });
            ids.push_back(definition.id == 0 ? database_->getLastInsertRowid() : definition.id);
        }
        transaction.commit();
        return ids;
    });
}

bool SqliteRepository::remove_upstream(std::int64_t id)
{
    return erasing_keys([&] {
        SQLite::Statement remove{
            *database_,
            "UPDATE openai_upstreams SET sk = '', proxy = '', headers = NULL, deleted_at = "
            "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
            " WHERE id = ? AND deleted_at IS NULL"};
        remove.bind(1, id);
        return remove.exec() > 0;
    });
}

int SqliteRepository::mark()
{
    return guarded([&] { return database_->execAndGet("PRAGMA application_id").getInt(); });
}

void SqliteRepository::replace_upstreams_and_keys(const std::vector<UpstreamDefinition>& upstreams,
                                                  const std::vector<ClientKey>& keys, int mark)
{
    erasing_keys([&] {
        WriteTransaction transaction{*database_};
        database_->exec("DELETE FROM openai_upstreams; DELETE FROM client_keys");
        database_->exec(fmt::format("PRAGMA application_id = {}", mark));
        for (const auto& definition : upstreams)
            add_row(*database_, definition, definition.id, "INSERT OR IGNORE");
        SQLite::Statement add{
            *database_,
            "INSERT OR IGNORE INTO client_keys (id, name, key_hash, created_at) VALUES (?, ?, ?, ?)"};
        for (const auto& key : keys) {
            add.reset();
            add.bind(1, key.id);
            add.bind(2, key.name);
            add.bind(3, to_hex(key.hash));
            add.bind(4, key.created_at);
            add.exec();
        }
        transaction.commit();
        return true;
    });
}

}  // namespace route::storage
