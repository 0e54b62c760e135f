#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <boost/json.hpp>
#include <stdexcept>

#include "core/text.hpp"
#include "storage/sqlite/sqlite_repository.hpp"

namespace route::storage {

namespace {

namespace json = boost::json;

constexpr auto select_upstreams =
    "SELECT id, name, sk, endpoint, priority, weight, timeout, stream_timeout, allow, deny, rename, proxy, "
    "enabled"
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

std::vector<std::string> list_of(const SQLite::Column& column)
{
    std::vector<std::string> list;
    const auto text = column.getString();
    if (text.empty())
        return list;
    const auto value = json::parse(text);
    for (const auto& item : value.as_array())
        list.emplace_back(item.as_string().c_str());
    return list;
}

std::map<std::string, std::string> map_of(const SQLite::Column& column)
{
    std::map<std::string, std::string> map;
    const auto text = column.getString();
    if (text.empty())
        return map;
    const auto value = json::parse(text);
    for (const auto& [from, to] : value.as_object())
        map.emplace(std::string{std::string_view{from}}, to.as_string().c_str());
    return map;
}

/// Throws when allow, deny or rename is not what it should be.
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
    definition.allow = list_of(row.getColumn(8));
    definition.deny = list_of(row.getColumn(9));
    definition.rename = map_of(row.getColumn(10));
    definition.proxy = text_or(row.getColumn(11), "");
    definition.enabled = int_or(row.getColumn(12), 1) != 0;
    return definition;
}

std::string to_json(const std::vector<std::string>& list)
{
    return json::serialize(json::value_from(list));
}

std::string to_json(const std::map<std::string, std::string>& map)
{
    return json::serialize(json::value_from(map));
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
    statement.bind(8, to_json(definition.allow));
    statement.bind(9, to_json(definition.deny));
    statement.bind(10, to_json(definition.rename));
    statement.bind(11, definition.proxy);
    statement.bind(12, definition.enabled ? 1 : 0);
}

/// Without an id the row gets the next one.
void add_row(SQLite::Database& database, const UpstreamDefinition& definition, std::optional<std::int64_t> id)
{
    SQLite::Statement add{
        database,
        "INSERT INTO openai_upstreams (name, sk, endpoint, priority, weight, timeout, stream_timeout,"
        " allow, deny, rename, proxy, enabled, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"};
    bind_upstream(add, definition);
    if (id)
        add.bind(13, *id);
    add.exec();
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
            throw StorageError{error.kind(),
                               fmt::format("the name \"{}\" is taken by another upstream", definition.name)};
        throw StorageError{error.kind(), fmt::format("there is an upstream with this sk and endpoint {}",
                                                     definition.endpoint)};
    }
}

}  // namespace

std::vector<UpstreamDefinition> SqliteRepository::upstreams()
{
    return guarded([&] {
        std::vector<UpstreamDefinition> found;
        SQLite::Statement row{*database_, select_upstreams};
        while (row.executeStep()) {
            try {
                found.push_back(read_upstream(row));
            } catch (const SQLite::Exception&) {
                throw;
            } catch (const std::exception&) {
                auto report =
                    fmt::format("{}: {} {} {}", row.getColumn(0).getInt64(), row.getColumn(8).getString(),
                                row.getColumn(9).getString(), row.getColumn(10).getString());
                if (reported_rows_.insert(std::move(report)).second)
                    spdlog::warn(
                        "upstream {} is left out: allow and deny must be JSON arrays of strings, rename a "
                        "JSON object of "
                        "strings",
                        row.getColumn(0).getInt64());
            }
        }
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

bool SqliteRepository::update_upstream(const UpstreamDefinition& definition)
{
    return naming_conflicts(definition, [&] {
        SQLite::Statement update{
            *database_,
            "UPDATE openai_upstreams SET name = ?, sk = ?, endpoint = ?, priority = ?, weight = ?,"
            " timeout = ?, stream_timeout = ?, allow = ?, deny = ?, rename = ?, proxy = ?,"
            " enabled = ?, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
            " WHERE id = ? AND deleted_at IS NULL"};
        bind_upstream(update, definition);
        update.bind(13, definition.id);
        return update.exec() > 0;
    });
}

bool SqliteRepository::remove_upstream(std::int64_t id)
{
    return guarded([&] {
        SQLite::Statement remove{
            *database_,
            "UPDATE openai_upstreams SET deleted_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
            " WHERE id = ? AND deleted_at IS NULL"};
        remove.bind(1, id);
        return remove.exec() > 0;
    });
}

void SqliteRepository::replace_upstreams_and_keys(const std::vector<UpstreamDefinition>& upstreams,
                                                  const std::vector<ClientKey>& keys)
{
    guarded([&] {
        WriteTransaction transaction{*database_};
        database_->exec("DELETE FROM openai_upstreams; DELETE FROM client_keys");
        for (const auto& definition : upstreams)
            add_row(*database_, definition, definition.id);
        SQLite::Statement add{*database_,
                              "INSERT INTO client_keys (id, name, key_hash, created_at) VALUES (?, ?, ?, ?)"};
        for (const auto& key : keys) {
            add.reset();
            add.bind(1, key.id);
            add.bind(2, key.name);
            add.bind(3, to_hex(key.hash));
            add.bind(4, key.created_at);
            add.exec();
        }
        transaction.commit();
    });
}

}  // namespace route::storage
